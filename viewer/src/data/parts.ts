/** Episodes of a page that was saved as a folder: kept in scripts beside it, since a file may load nothing else. */
import type { EpisodePage } from "../records";

declare global {
  interface Window {
    flowsteerPart?: (episodes: Readonly<Record<string, EpisodePage>>) => void;
  }
}

const FILE = /^episodes\/[\w-]+\.js$/;
const loading = new Map<string, Promise<void>>();
const held = new Map<string, EpisodePage>();

/** The episode with this id out of the script that holds it; null if that cannot be read. */
export async function fromPart(file: string, episode: string): Promise<EpisodePage | null> {
  if (!FILE.test(file)) return null;
  window.flowsteerPart ??= (episodes) => Object.entries(episodes).forEach(([id, page]) => held.set(id, page));
  const coming = loading.get(file) ?? load(file);
  loading.set(file, coming);
  await coming;
  return held.get(episode) ?? null;
}

function load(file: string): Promise<void> {
  return new Promise((done) => {
    const script = document.createElement("script");
    script.src = file;
    script.onload = () => done();
    script.onerror = () => done();
    document.head.append(script);
  });
}
