import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: {
    outDir: "../src/ampacity/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the page's policy takes no inline data
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
