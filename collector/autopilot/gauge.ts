import { type CheckRecord, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { phaseOf } from '../health/assign/check-times.ts'
import type { FleetNode } from '../inventory/node.ts'
import type { Metrics } from '../telemetry/catalogue/metrics.ts'
import { PAIR_BUDGET } from '../telemetry/observe/pair-gauges.ts'
import { type AutopilotCheck, hasVerdict, type Sample } from './check.ts'
import { AUTOPILOT_CHECKS } from './checks.ts'

/** Autopilot removes the first pair of parentheses: "IntelR Xeon(R) Gold 6258R". */
const cpuModelOf = (node: FleetNode | undefined): string =>
  (node?.description?.metadata?.cpuModel ?? '').replace('(', '').replace(')', '') || 'N/A'

const gpuModelOf = (node: FleetNode | undefined, { result }: CheckRecord): string => {
  const model = result?.evidence.find(({ name }) => name === 'model')?.value as unknown
  return (typeof model === 'string' ? model : '') || node?.description?.metadata?.gpuModel || 'N/A'
}

/** The values of the metric. A flag is 1 as long as one of its findings applies, and 0 after that was cleared. */
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
 * Publishes records of checks as `autopilot_health_checks`. In small fleets each pair of nodes has a series for ping.
 * When the pairs exceed the budget, only unreachable peers have series. Each node then shows a different part of them, so
 * that the sum over the nodes, which the alert uses, contains every unreachable peer.
 */
export const createAutopilotGauge = (
  { metrics, nodes }: { metrics: Pick<Metrics, 'autopilotHealthChecks'>; nodes(): readonly FleetNode[] },
  budget = PAIR_BUDGET,
) => {
  const gauge = metrics.autopilotHealthChecks

  /** The samples of pings that get a series within the budget. */
  const withinBudget = (node: string, count: number, samples: readonly Sample[]): Sample[] => {
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
      const shown = check.health === 'ping' ? withinBudget(name, fleet.length, samples) : samples
      const checked = new Set(samples.map(({ deviceId }) => deviceId))
      const isComplete =
        check.hasAllDevices(record.parameters ?? {}) &&
        record.result !== undefined &&
        hasVerdict(record.result)
      gauge.removeWhere(
        (labels) =>
          labels.health === check.health &&
          labels.node === name &&
          (isComplete ||
            checked.has(labels.deviceid) ||
            labels.cpumodel !== models.cpumodel ||
            labels.gpumodel !== models.gpumodel),
      )
      for (const { deviceId, value } of shown)
        gauge.set({ health: check.health, node: name, ...models, deviceid: deviceId }, value)
    },
  }
}
