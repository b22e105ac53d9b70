import react from "@vitejs/plugin-react";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** One classic script, so that the page also opens from a file, where browsers load no module. */
function classicScript(): Plugin {
  return {
    name: "classic-script",
    enforce: "post",
    transformIndexHtml: (html) => html.replaceAll(/ type="module" crossorigin/g, " defer").replaceAll(" crossorigin", ""),
  };
}

/** The licences of all that is inside the bundle, beside it. */
function licences(): Plugin {
  return {
    name: "licences",
    generateBundle() {
      const found = new Map<string, string>();
      for (const id of this.getModuleIds()) {
        const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replaceAll("\0", ""))?.[0];
        if (!folder || !existsSync(join(folder, "package.json"))) continue;
        const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
        const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
        const text = file ? readFileSync(join(folder, file), "utf8").trim() : "";
        found.set(name, `${name} ${version} (${license})\n\n${text}`);
      }
      const source = [...found.keys()].sort().map((name) => found.get(name)).join(`\n\n${"-".repeat(80)}\n\n`);
      this.emitFile({ type: "asset", fileName: "LICENSES.txt", source: `${source}\n` });
    },
  };
}

export default defineConfig({
  base: "./",
  test: { testTimeout: 30_000 },
  plugins: [react(), classicScript(), licences()],
  build: {
    outDir: "../src/flowsteer/viewing/bundle",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 100_000,
    cssCodeSplit: false,
    modulePreload: false,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      output: {
        format: "iife",
        entryFileNames: "assets/app.js",
        assetFileNames: "assets/app[extname]",
      },
    },
  },
});
