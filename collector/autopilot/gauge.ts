import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { type CheckRecord, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { phaseOf } from '../health/schedule.ts'
import type { Metrics } from '../telemetry/catalogue/metrics.ts'
import { PAIR_BUDGET } from '../telemetry/observe/pair-gauges.ts'
import { type AutopilotCheck, hasVerdict, type Sample } from './check.ts'
import { AUTOPILOT_CHECKS } from './checks.ts'

/** As the old daemon printed them: the first pair of parentheses goes ("IntelR Xeon(R) Gold 6258R"). */
const cpuModelOf = (node: Node | undefined): string =>
  (node?.description?.metadata?.cpuModel ?? '').replace('(', '').replace(')', '') || 'N/A'

const gpuModelOf = (node: Node | undefined, { result }: CheckRecord): string => {
  const seen = result?.evidence.find(({ name }) => name === 'model')?.value as unknown
  return (typeof seen === 'string' ? seen : '') || node?.description?.metadata?.gpuModel || 'N/A'
}

/** The values to show. A flag stays 1 as long as its finding stands, and is 0 once that was cleared by hand. */
const samplesOf = (check: AutopilotCheck, { result, severity, findings }: CheckRecord): Sample[] => {
  const latest = result ? check.samples(result) : []
  if (!check.isFlag) return latest
  if (severity < Severity.SEVERITY_FAIL) return latest.map(({ deviceId }) => ({ deviceId, value: 0 }))
  const values = new Map(latest.map(({ deviceId, value }) => [deviceId, value]))
  for (const finding of findings) {
    if (finding.severity < Severity.SEVERITY_FAIL || !finding.result) continue
    for (const { deviceId, value } of check.samples(finding.result))
      values.set(deviceId, Math.max(value, values.get(deviceId) ?? 0))
  }
  return [...values].map(([deviceId, value]) => ({ deviceId, value }))
}

/**
 * Shows records of checks as `autopilot_health_checks`. Pings are a series for each pair of nodes as long as these are
 * few; above the budget only peers that do not answer have one, and of these each node shows another few, so that in
 * the sum over nodes, which the alert is on, every such peer is there.
 */
export const createAutopilotGauge = (
  { metrics, nodes }: { metrics: Pick<Metrics, 'autopilotHealthChecks'>; nodes(): readonly Node[] },
  budget = PAIR_BUDGET,
) => {
  const gauge = metrics.autopilotHealthChecks

  /** The samples of pings that may have a series. */
  const affordable = (node: string, count: number, samples: readonly Sample[]): Sample[] => {
    if (count * (count - 1) <= budget) return [...samples]
    const share = Math.max(1, Math.floor(budget / count))
    return samples
      .filter(({ value }) => value > 0)
      .sort((a, b) => phaseOf(node, a.deviceId) - phaseOf(node, b.deviceId))
      .slice(0, share)
  }

  return {
    observeRecord(name: string, record: CheckRecord): void {
      const check = AUTOPILOT_CHECKS.get(record.result?.check ?? '')
      if (!check) return
      const samples = samplesOf(check, record)
      if (samples.length === 0) return
      const fleet = nodes()
      const node = fleet.find((candidate) => candidate.name === name)
      const models = { cpumodel: cpuModelOf(node), gpumodel: gpuModelOf(node, record) }
      const shown = check.health === 'ping' ? affordable(name, fleet.length, samples) : samples
      const looked = new Set(samples.map(({ deviceId }) => deviceId))
      const isComplete =
        check.hasAllDevices(record.parameters ?? {}) &&
        record.result !== undefined &&
        hasVerdict(record.result)
      gauge.removeWhere(
        (labels) =>
          labels.health === check.health &&
          labels.node === name &&
          (isComplete ||
            looked.has(labels.deviceid) ||
            labels.cpumodel !== models.cpumodel ||
            labels.gpumodel !== models.gpumodel),
      )
      for (const { deviceId, value } of shown)
        gauge.set({ health: check.health, node: name, ...models, deviceid: deviceId }, value)
    },
  }
}
