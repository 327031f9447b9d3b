import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

// Where deploy/local/setup.sh --test unpacks the programs that Debian 12 lacks.
const programs = new URL('node_modules/.cache/debian-13/bin', import.meta.url).pathname
process.env.PATH = `${process.env.PATH}:${programs}`

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{lib,agent,collector,cli,deploy}/**/*.test.ts'],
          // Modules have no mutable state, so files can share a process: a process per file takes a third longer.
          isolate: false,
          testTimeout: 30_000,
          expect: { poll: { timeout: 20_000, interval: 20 } },
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          // These tests start programs in network namespaces. Two files at a time, after the unit tests, so that a small
          // machine has enough CPU time for their measurements.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          // Generous, so that correct tests pass on a busy machine.
          testTimeout: 300_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 60_000, interval: 100 } },
        },
      },
    ],
  },
})
