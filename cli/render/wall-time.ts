import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'

/**
 * How long the run took in seconds, and how long its rounds would take without pauses. The ideal is absent if the
 * duration of a test is not fixed: pings all run at the same time, and --bytes ends when the bytes are sent.
 */
export const wallTime = (run: Run): { seconds?: number; idealSeconds?: number; efficiencyRatio?: number } => {
  const [start, end] = [fromTimestamp(run.startTime), fromTimestamp(run.endTime)]
  const seconds = start && end ? (end.getTime() - start.getTime()) / 1000 : undefined
  const idealSeconds = ideal(run)
  return {
    ...(seconds === undefined ? {} : { seconds }),
    ...(idealSeconds === undefined ? {} : { idealSeconds }),
    // Pairs that could not be measured take less time and would raise the ratio.
    ...(seconds && idealSeconds && isComplete(run) ? { efficiencyRatio: idealSeconds / seconds } : {}),
  }
}

const isComplete = ({ progress }: Run): boolean =>
  progress !== undefined && progress.measuredCount === progress.pairCount

const ideal = (run: Run): number | undefined => {
  if (run.spec?.test?.$case !== 'iperf' || !run.plan) return undefined
  const options = run.spec.test.value.options
  if (options?.bytes !== undefined) return undefined
  const seconds = fromDuration(options?.duration)
  return seconds && run.plan.roundCount * (seconds + (fromDuration(options?.omit) ?? 0))
}
