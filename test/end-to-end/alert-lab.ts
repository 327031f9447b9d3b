/** A lab that is watched by a real Prometheus and a real Alertmanager, with the rules as they are shipped. */

import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { parse } from 'yaml'
import { startAlertmanager } from '../testing/alertmanager.ts'
import { startPrometheus } from '../testing/prometheus-server.ts'

const RULES = new URL('../../deploy/prometheus/rules/', import.meta.url)
type Rule = { alert?: string; expr: string; for?: string }
type Rules = { groups: { name: string; interval?: string; rules: Rule[] }[] }

/** What each file makes fire by faults on a lab, and end by their repair. */
export const FIRED = {
  'alerts.test.ts': [
    'MeshgaugeCheckFailing',
    'MeshgaugeCollectorDown',
    'MeshgaugeExpectationMissed',
    'MeshgaugeNodeLossy',
    'MeshgaugeNodeUnreachable',
    'MeshgaugeOneDirectionLossy',
    'MeshgaugeThroughputBelowHistory',
    'MeshgaugeVerdict',
  ],
  'always-on-alerts.test.ts': [
    'MeshgaugeAgentClockOff',
    'MeshgaugeCheckNotCarriedOut',
    'MeshgaugeCollectorLate',
    'MeshgaugeCoverageDebt',
    'MeshgaugeMeshIngestLate',
    'MeshgaugeMeshInterfaceLossy',
    'MeshgaugeMeshInterfaceUnreachable',
    'MeshgaugeMeshNodeUnreachable',
    'MeshgaugeMeshPathDown',
    'MeshgaugeMeshStreamMissing',
    'MeshgaugeMeshUnsteady',
    'MeshgaugeResultsDropped',
    'MeshgaugeRunsFailing',
    'MeshgaugeScheduleFailing',
    'MeshgaugeScheduleMissed',
    'MeshgaugeScheduleOverdue',
    'MeshgaugeStoreFailing',
    'MeshgaugeStoreNearBound',
    'MeshgaugeTrafficDead',
    'MeshgaugeUpkeepLate',
  ],
} as const

/** Alerts that no fault of a small lab brings about, and why; test/prometheus/fixtures has made-up series for them. */
export const NOT_BY_FAULTS: Record<string, string> = {
  MeshgaugeDispatchLate:
    'the collector would have to stand still between the end of a pair and the start of the next, a millisecond of each test',
  MeshgaugeMeshWindowsDropped: 'an agent holds 16 MiB: with the targets of a lab, what it measures in hours',
  MeshgaugeSeriesDropped: 'the budget is 20,000 series and 250 a node: hundreds of times what a lab has',
}

/** What a machine that is too busy for its collector brings about by itself, at any moment and rightly. */
const OF_A_BUSY_MACHINE = ['MeshgaugeCollectorDown', 'MeshgaugeCollectorLate', 'MeshgaugeDispatchLate']
const isAboutTheFleet = (alert: string): boolean => !OF_A_BUSY_MACHINE.includes(alert.split(' ')[0]!)

/** Long enough to be seen as pending between two evaluations; the shipped rules wait for minutes. */
const FOR = '2s'
/** From a scrape to the evaluation in which what it brings about fires, with one each second. */
const FIRES_WITHIN_SECONDS = 4

const shippedRules = (): Rules => ({
  groups: readdirSync(RULES).flatMap((file) => {
    const { groups } = parse(readFileSync(new URL(file, RULES), 'utf8')) as Rules
    return groups
  }),
})

/** The names of all alerts that are shipped. */
export const shippedAlerts = (): string[] =>
  shippedRules().groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? []))

/**
 * The rules as they are shipped, but for the waiting.
 * @param rangeSeconds what stands for the minutes, hours or the day that an alert looks back on: it stays for so long
 * after its fault, which is more than a test can wait. What is compared with days ago stays as it is.
 */
const testRules = (rangeSeconds: number | undefined): Rules => {
  const shorter = (expr: string) =>
    expr
      .replace(/\[\d+[mhd]\]/g, `[${rangeSeconds}s]`)
      .replace(/offset \d+[mhd]/g, `offset ${rangeSeconds! - 5}s`)
  return {
    groups: shippedRules().groups.map(({ name, rules }) => ({
      name,
      rules: rules.map((rule) => ({
        ...rule,
        ...(rule.for ? { for: FOR } : {}),
        ...(rangeSeconds !== undefined && rule.alert ? { expr: shorter(rule.expr) } : {}),
      })),
    })),
  }
}

/** @param targets host:port of what has /metrics */
export const watchAlerts = async (
  targets: readonly string[],
  { rangeSeconds }: { rangeSeconds?: number } = {},
) => {
  const alertmanager = await startAlertmanager()
  const prometheus = await startPrometheus({
    targets,
    rules: testRules(rangeSeconds),
    alertmanager: alertmanager.address,
  }).catch(async (error: unknown) => {
    await alertmanager.close()
    throw error
  })
  const named = async (expression: string): Promise<string[]> => {
    const samples = await prometheus.query(expression)
    const names = samples.map(
      ({ labels: { alertname, node, interface: name, direction, check, schedule, reason } }) =>
        [alertname, node, name, direction, check, schedule, reason]
          .filter((label) => label !== undefined)
          .join(' '),
    )
    return names.sort()
  }
  /** `alert node interface direction check schedule reason` of the alerts in a state. */
  const alerts = (state: 'pending' | 'firing') => named(`ALERTS{alertstate="${state}"}`)
  /** The same of those that fire or have fired. */
  const fired = () => named('max_over_time(ALERTS{alertstate="firing"}[10m])')
  /** The same of those that are or were waiting for their time. */
  const havePended = () => named('max_over_time(ALERTS{alertstate="pending"}[10m])')
  /** What whoever is on call was told of an alert: `firing` and `resolved`, in order. */
  const told = (alert: string, label: Record<string, string> = {}) =>
    alertmanager
      .notifications()
      .filter(
        ({ labels }) =>
          labels.alertname === alert && Object.entries(label).every(([k, v]) => labels[k] === v),
      )
  return {
    prometheus,
    alerts,
    told,
    fired,
    havePended,
    /** What fires or has fired, or has been told, that is about the fleet and not about a busy machine. */
    alarms: async () => {
      await prometheus.evaluated(FIRES_WITHIN_SECONDS)
      return [
        ...(await fired()).filter(isAboutTheFleet),
        ...alertmanager.notifications().filter(({ labels }) => isAboutTheFleet(labels.alertname ?? '')),
      ]
    },
    /** Waits until these fire at the same moment; others may. */
    becomesFiring: (expected: readonly string[], { timeout = 90_000 } = {}) =>
      expect
        .poll(() => alerts('firing'), { timeout, interval: 200 })
        .toEqual(expect.arrayContaining([...expected])),
    /** Waits until each of these has fired, and says which have not. */
    haveFired: (expected: readonly string[], { timeout = 90_000 } = {}) =>
      expect
        .poll(
          async () => {
            const seen = await fired()
            return expected.filter((alert) => !seen.includes(alert))
          },
          { timeout, interval: 300 },
        )
        .toEqual([]),
    /** Waits until no alert about the fleet fires or is going to. */
    becomesQuiet: ({ timeout = 90_000 } = {}) =>
      expect
        .poll(
          async () => [...(await alerts('pending')), ...(await alerts('firing'))].filter(isAboutTheFleet),
          { timeout },
        )
        .toEqual([]),
    /** Waits until whoever is on call was told of the beginning and of the end of each. */
    becomesTold: (expected: readonly string[]) =>
      expect
        .poll(() => expected.filter((alert) => new Set(told(alert).map(({ status }) => status)).size < 2), {
          timeout: 90_000,
        })
        .toEqual([]),
    close: async () => {
      await prometheus.close()
      await alertmanager.close()
    },
  }
}

export type AlertLab = Awaited<ReturnType<typeof watchAlerts>>
