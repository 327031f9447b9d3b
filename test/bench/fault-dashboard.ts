// Polls the queries of the Fleet dashboard in Prometheus, to see when it shows a fault.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Prometheus, startPrometheus } from '../testing/prometheus-server.ts'

const DASHBOARD = new URL('../../deploy/grafana/dashboards/fleet.json', import.meta.url)
const VERDICTS = 'Current verdicts'
const POLL_MS = 500

type Panel = { type: string; title: string; targets?: { expr: string }[] }
/** The values of the panels and the table of verdicts at one moment; undefined when Prometheus did not answer. */
export type View = {
  atMs: number
  figures?: ReadonlyMap<string, number>
  verdicts?: readonly Readonly<Record<string, string>>[]
}

/** Panels with a single value that is 0 in a healthy fleet. */
const PROBLEM_COUNTS = [
  'Silent nodes',
  'Verdicts',
  'Mesh: paths down',
  'Mesh: paths lossy',
  'Mesh: agents silent',
  'Failed pairs',
  'Dead flows',
]

const panels = (): Map<string, string> => {
  const { panels: all } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as { panels: Panel[] }
  const wanted = new Map(
    all
      .filter(({ title }) => PROBLEM_COUNTS.includes(title) || title === VERDICTS)
      .map(({ title, targets }) => [
        title,
        targets![0]!.expr.replaceAll('$job', '.*').replaceAll('$instance', '.*'),
      ]),
  )
  const missing = [...PROBLEM_COUNTS, VERDICTS].filter((title) => !wanted.has(title))
  if (missing.length > 0) throw new Error(`the Fleet dashboard has no panel ${missing.join(', ')}`)
  return wanted
}

export const watchDashboard = async (http: string) => {
  const queries = panels()
  const start = () => startPrometheus({ targets: [http] })
  let prometheus: Prometheus | undefined = await start()
  const views: View[] = []
  let closed = false
  const look = async (): Promise<View> => {
    const asked = prometheus
    if (!asked) return { atMs: Date.now() }
    try {
      const found = await Promise.all(
        [...queries].map(([title, query]) => asked.query(query).then((all) => ({ title, all }))),
      )
      const values = new Map(found.map(({ title, all }) => [title, all]))
      return {
        atMs: Date.now(),
        figures: new Map(PROBLEM_COUNTS.map((title) => [title, values.get(title)?.[0]?.value ?? Number.NaN])),
        verdicts: values.get(VERDICTS)?.map(({ labels }) => labels) ?? [],
      }
    } catch {
      // Prometheus is stopping or starting.
      return { atMs: Date.now() }
    }
  }
  const looking = (async () => {
    while (!closed) {
      views.push(await look())
      await sleep(POLL_MS)
    }
  })()
  return {
    since: (atMs: number): View[] => views.filter((view) => view.atMs >= atMs),
    /** Stops Prometheus until `restart`. */
    stop: async (): Promise<void> => {
      const stopped = prometheus
      prometheus = undefined
      await stopped?.close()
    },
    restart: async (): Promise<void> => {
      prometheus = await start()
    },
    query: (expression: string) => prometheus!.query(expression),
    close: async (): Promise<void> => {
      closed = true
      await looking
      await prometheus?.close()
    },
  }
}

export type DashboardWatch = Awaited<ReturnType<typeof watchDashboard>>

const KIND: Record<string, string> = {
  NODE: 'node',
  INTERFACE: 'interface',
  LINK: 'link',
  RACK_UPLINK: 'rack_uplink',
}

/** Whether the table of verdicts has the expected culprit. `kind` is the name in the protocol without its prefix. */
export const isShown = (
  view: View,
  wanted: { kind?: string; node?: string; interface?: string; rack?: string },
): boolean =>
  view.verdicts?.some(
    ({ kind, node, peer, interface: name, rack }) =>
      (wanted.kind === undefined || kind === KIND[wanted.kind]) &&
      (wanted.rack === undefined ? [node, peer].includes(wanted.node) : rack === wanted.rack) &&
      (wanted.interface === undefined || name === wanted.interface),
  ) ?? false

export const ALL_ZERO = 'no problems'

/** The problems that the dashboard shows, in one line. */
export const viewText = ({ figures, verdicts }: View): string => {
  if (!figures) return 'Prometheus does not answer'
  const bad = [...figures].filter(([, value]) => value !== 0).map(([title, value]) => `${title} ${value}`)
  const rows = (verdicts ?? []).map(({ kind, node, interface: name, direction, peer, rack }) =>
    [kind, node || rack, peer && `to ${peer}`, name, direction].filter(Boolean).join(' '),
  )
  return [...bad, ...(rows.length > 0 ? [`table: ${rows.join(' + ')}`] : [])].join(', ') || ALL_ZERO
}
