import type { World } from '../world/world.ts'
import type { Gauge } from './memory.ts'

/** Fleets above this size are looked at less often, and have a mesh with rotation. */
export const LARGE_NODES = 100

/** The bounds of what may wait somewhere. */
export const gaugesOf = (world: World, mostUnacknowledged: () => number): Gauge[] => {
  const { agents, collector, time, disk } = world
  const paths = agents.length * (agents.length - 1)
  const isUp = () => collector.isRunning() && !disk.isFailing()
  /** A snapshot of a large fleet takes a millisecond. */
  const isDue = () => Math.round(time.seconds()) % (agents.length > LARGE_NODES ? 10 : 1) === 0
  let failedSeconds = 0
  const storeWorks = (): boolean => {
    if (!isUp()) failedSeconds = time.seconds()
    return time.seconds() - failedSeconds > 60
  }
  return [
    { name: 'timers', value: time.timerCount, most: 1000 + 60 * agents.length },
    {
      name: 'calls to agents',
      value: () => (isDue() ? collector.callCount() : 0),
      most: 100 + 12 * agents.length,
    },
    {
      name: 'windows that wait although the store works',
      value: () => (storeWorks() && isDue() ? collector.parts().meshes.snapshot().waitingWindows : 0),
      most: 200 + 12 * paths,
    },
    { name: 'batches that an agent holds', value: mostUnacknowledged, most: 20_000 },
  ]
}
