/** What the Fleet dashboard shows of a fault, and when: its own queries, asked of a real Prometheus each second. */

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Prometheus, startPrometheus } from '../testing/prometheus-server.ts'

const DASHBOARD = new URL('../../deploy/grafana/dashboards/fleet.json', import.meta.url)
const VERDICTS = 'Current verdicts'
const LOOK_MS = 500

type Panel = { type: string; title: string; targets?: { expr: string }[] }
/** Numbers of the panels, and the table of verdicts; undefined when Prometheus did not answer. */
export type View = {
  atMs: number
  figures?: ReadonlyMap<string, number>
  verdicts?: readonly Readonly<Record<string, string>>[]
}

/** Panels of one number that is 0 when all is well. */
const ZEROS = [
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
      .filter(({ title }) => ZEROS.includes(title) || title === VERDICTS)
      .map(({ title, targets }) => [
        title,
        targets![0]!.expr.replaceAll('$job', '.*').replaceAll('$instance', '.*'),
      ]),
  )
  const missing = [...ZEROS, VERDICTS].filter((title) => !wanted.has(title))
  if (missing.length > 0) throw new Error(`the Fleet dashboard has no panel ${missing.join(', ')}`)
  return wanted
}

export const watchDashboard = async (http: string) => {
  const queries = panels()
  const start = () => startPrometheus({ targets: [http] })
  let prometheus: Prometheus | undefined = await start()
  const views: View[] = []
  let over = false
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
        figures: new Map(ZEROS.map((title) => [title, values.get(title)?.[0]?.value ?? Number.NaN])),
        verdicts: values.get(VERDICTS)?.map(({ labels }) => labels) ?? [],
      }
    } catch {
      // It is being killed, or was just started.
      return { atMs: Date.now() }
    }
  }
  const looking = (async () => {
    while (!over) {
      views.push(await look())
      await sleep(LOOK_MS)
    }
  })()
  return {
    since: (atMs: number): View[] => views.filter((view) => view.atMs >= atMs),
    /** Ends Prometheus; nothing is scraped until it is started again. */
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
      over = true
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

/** Whether the table names what is wanted; the kind as the protocol has it, without its prefix. */
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

export const REST = 'all at rest'

/** What is not at rest, in a line. */
export const viewText = ({ figures, verdicts }: View): string => {
  if (!figures) return 'Prometheus does not answer'
  const bad = [...figures].filter(([, value]) => value !== 0).map(([title, value]) => `${title} ${value}`)
  const rows = (verdicts ?? []).map(({ kind, node, interface: name, direction, peer, rack }) =>
    [kind, node || rack, peer && `to ${peer}`, name, direction].filter(Boolean).join(' '),
  )
  return [...bad, ...(rows.length > 0 ? [`table: ${rows.join(' + ')}`] : [])].join(', ') || REST
}
