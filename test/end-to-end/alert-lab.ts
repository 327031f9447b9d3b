/** Watches a lab with Prometheus and Alertmanager, with the shipped alert rules. */

import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { parse } from 'yaml'
import { startAlertmanager } from '../testing/alertmanager.ts'
import { startPrometheus } from '../testing/prometheus-server.ts'

const RULES = new URL('../../deploy/prometheus/rules/', import.meta.url)
type Rule = { alert?: string; expr: string; for?: string }
type Rules = { groups: { name: string; interval?: string; rules: Rule[] }[] }

/** The alerts that each test file causes by faults on a lab, and ends by their repair. */
export const TESTED_ALERTS = {
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
    'MeshgaugeScheduleFailing',
    'MeshgaugeScheduleMissed',
    'MeshgaugeScheduleOverdue',
    'MeshgaugeStoreFailing',
    'MeshgaugeStoreNearBound',
    'MeshgaugeTrafficDead',
    'MeshgaugeUpkeepLate',
  ],
} as const

/** Alerts that faults on a small lab cannot cause, with the reason. test/prometheus/fixtures tests them with made-up series. */
export const UNTESTED_ALERTS: Record<string, string> = {
  MeshgaugeDispatchLate:
    'the collector would have to stop between the end of a pair and the start of the next, which is one millisecond of a test',
  MeshgaugeMeshWindowsDropped:
    'an agent buffers 16 MiB, which the few targets of a lab fill only after hours',
  MeshgaugeRunsFailing: 'only a bug of the collector makes a run fail',
  MeshgaugeSeriesDropped: 'the limit is 20,000 series and 250 per node, hundreds of times what a lab has',
}

/** Alerts about the collector that a busy test machine may cause at any time, correctly. */
const BUSY_MACHINE_ALERTS = ['MeshgaugeCollectorDown', 'MeshgaugeCollectorLate', 'MeshgaugeDispatchLate']
const isAboutTheFleet = (alert: string): boolean => !BUSY_MACHINE_ALERTS.includes(alert.split(' ')[0]!)

/** Replaces `for` of the shipped rules, which is minutes. Longer than one evaluation, so that an alert is pending first. */
const FOR = '2s'
/** Time from a scrape until its alert fires: FOR, with scrapes and evaluations every second. */
const FIRES_WITHIN_SECONDS = 4

const shippedRules = (): Rules => ({
  groups: readdirSync(RULES).flatMap((file) => {
    const { groups } = parse(readFileSync(new URL(file, RULES), 'utf8')) as Rules
    return groups
  }),
})

/** The names of all shipped alerts. */
export const shippedAlerts = (): string[] =>
  shippedRules().groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? []))

/**
 * The shipped rules with short times. `rangeSeconds` replaces each range of minutes, hours or days, because an alert
 * fires until its fault is out of that range.
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

/** Starts Prometheus and Alertmanager. `targets` are the `host:port` of the /metrics endpoints. */
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
  const alertNames = async (expression: string): Promise<string[]> => {
    const samples = await prometheus.query(expression)
    const names = samples.map(
      ({ labels: { alertname, node, interface: name, direction, check, schedule, reason } }) =>
        [alertname, node, name, direction, check, schedule, reason]
          .filter((label) => label !== undefined)
          .join(' '),
    )
    return names.sort()
  }
  /** The alerts in a state, as `alert node interface direction check schedule reason`. */
  const alerts = (state: 'pending' | 'firing') => alertNames(`ALERTS{alertstate="${state}"}`)
  /** Like `alerts`, for alerts that fire or have fired within 10 minutes. */
  const fired = () => alertNames('max_over_time(ALERTS{alertstate="firing"}[10m])')
  /** Like `alerts`, for alerts that are pending or were within 10 minutes. */
  const havePended = () => alertNames('max_over_time(ALERTS{alertstate="pending"}[10m])')
  /** The notifications of an alert, `firing` and `resolved`, in order. */
  const notificationsOf = (alert: string, label: Record<string, string> = {}) =>
    alertmanager
      .notifications()
      .filter(
        ({ labels }) =>
          labels.alertname === alert && Object.entries(label).every(([k, v]) => labels[k] === v),
      )
  return {
    prometheus,
    alerts,
    notificationsOf,
    fired,
    havePended,
    /** Everything that fires, has fired or was notified, without the alerts about a busy test machine. */
    alarms: async () => {
      await prometheus.evaluated(FIRES_WITHIN_SECONDS)
      return [
        ...(await fired()).filter(isAboutTheFleet),
        ...alertmanager.notifications().filter(({ labels }) => isAboutTheFleet(labels.alertname ?? '')),
      ]
    },
    /** Waits until all of these fire at the same time. Others may fire too. */
    becomesFiring: (expected: readonly string[], { timeout = 90_000 } = {}) =>
      expect
        .poll(() => alerts('firing'), { timeout, interval: 200 })
        .toEqual(expect.arrayContaining([...expected])),
    /** Waits until each of these has fired. Fails with the ones that have not. */
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
    /** Waits until no alert about the fleet is pending or firing. */
    becomesQuiet: ({ timeout = 90_000 } = {}) =>
      expect
        .poll(
          async () => [...(await alerts('pending')), ...(await alerts('firing'))].filter(isAboutTheFleet),
          { timeout },
        )
        .toEqual([]),
    /** Waits until Alertmanager has notified the start and the end of each alert. */
    becomeResolved: (expected: readonly string[]) =>
      expect
        .poll(
          () =>
            expected.filter((alert) => new Set(notificationsOf(alert).map(({ status }) => status)).size < 2),
          {
            timeout: 90_000,
          },
        )
        .toEqual([]),
    close: async () => {
      await prometheus.close()
      await alertmanager.close()
    },
  }
}

export type AlertLab = Awaited<ReturnType<typeof watchAlerts>>
