/** Paths of the server's answers. */

const e = encodeURIComponent;

export const paths = {
  runs: "runs",
  run: (run: string) => `runs/${e(run)}`,
  stream: (run: string, last: string) => `runs/${e(run)}/stream?last=${e(last)}`,
  episodes: (run: string) => `runs/${e(run)}/episodes`,
  episode: (run: string, episode: string) => `runs/${e(run)}/episodes/${e(episode)}`,
  training: (run: string, after: number) => `runs/${e(run)}/training?after=${after}`,
  groups: (run: string, step: number) => `runs/${e(run)}/groups?step=${step}`,
  request: (run: string, key: string) => `runs/${e(run)}/requests/${e(key)}`,
  study: (run: string) => `runs/${e(run)}/study`,
  compare: (run: string, left: string, right: string) => `runs/${e(run)}/compare?left=${e(left)}&right=${e(right)}`,
  search: (q: string) => `search?q=${e(q)}&limit=50`,
  moves: (episode: string) => `live/${e(episode)}/moves`,
  act: (episode: string) => `live/${e(episode)}/act`,
} as const;
