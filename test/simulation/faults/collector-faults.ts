import { type FaultKind, harmless } from './fault.ts'

/** What happens to the collector, its clock and its disk. */
export const COLLECTOR_FAULTS: readonly FaultKind[] = [
  {
    kind: 'the disk of the collector is full',
    seconds: { least: 2, most: 90 },
    create: ({ disk }) =>
      harmless(
        [],
        () => disk.fail('full'),
        () => disk.fail(undefined),
      ),
  },
  {
    kind: 'the disk of the collector has errors',
    seconds: { least: 2, most: 30 },
    create: ({ disk }) =>
      harmless(
        [],
        () => disk.fail('broken'),
        () => disk.fail(undefined),
      ),
  },
  {
    kind: 'the collector is stopped',
    seconds: { least: 1, most: 30 },
    create: ({ collector }) => ({
      ...harmless([], collector.stop, collector.resume),
      disturbsJudging: true,
    }),
  },
  {
    kind: 'the collector is killed and starts again',
    seconds: { least: 1, most: 30 },
    create: ({ collector, startCollector }) => ({
      ...harmless([], collector.kill, startCollector),
      disturbsJudging: true,
    }),
  },
  {
    kind: 'the collector shuts down and starts again',
    seconds: { least: 1, most: 30 },
    create: ({ collector, startCollector }) => {
      let down: Promise<void> = Promise.resolve()
      return {
        ...harmless(
          [],
          () => {
            down = collector.shutDown()
          },
          async () => {
            await down
            startCollector()
          },
        ),
        disturbsJudging: true,
      }
    },
  },
  {
    kind: 'the wall clock of the collector is stepped',
    seconds: { least: 1, most: 10 },
    create: ({ collector }, random) =>
      harmless(
        [],
        () => collector.step(random.between(-1800, 1800)),
        () => undefined,
      ),
  },
]
