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
          // Modules have no mutable state, so files can share a process: a process for each file costs a third more.
          isolate: false,
          testTimeout: 30_000,
          expect: { poll: { timeout: 20_000, interval: 20 } },
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          // These start real programs in namespaces of their own, and mostly wait for them: two files at a time, once
          // the unit tests are through, leave a small machine time for what it measures.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          // Bounds that only end what would fail anyway: a machine may be so busy that anything takes its time.
          testTimeout: 300_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 60_000, interval: 100 } },
        },
      },
    ],
  },
})
