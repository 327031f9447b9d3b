import { defineConfig } from 'vitest/config'

// Where deploy/local/setup.sh --test unpacks programs that only the tests need.
const unpacked = new URL('node_modules/.cache/debian/usr/bin', import.meta.url).pathname
process.env.PATH = `${process.env.PATH}:${unpacked}`

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{lib,agent,collector,cli,deploy}/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          // These start real programs in namespaces of their own: one file after the other on a small machine.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
