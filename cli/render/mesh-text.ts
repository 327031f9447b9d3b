/** The state of the ping mesh as text: the answer first, then the bad paths. */

import {
  type GetMeshResponse,
  type GetPathHistoryResponse,
  type Mesh,
  type MeshEvent,
  type Path,
  type PathWindow,
  Resolution,
} from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { counted, formatCount, formatDuration, formatRatio } from '../../lib/units.ts'
import { type ExitCode, judgedExitCode } from '../exit-codes.ts'
import { ago } from './figures.ts'
import { type Paint, sanitize } from './paint.ts'
import { paintState, pathStateWord } from './path-state.ts'
import { renderAnswer } from './run-headline.ts'
import { renderTable } from './table.ts'

/** Maximum number of paths and of problems to list; more are counted. */
const MAX_LINES = 20

export const meshExitCode = ({ judgement }: GetMeshResponse): ExitCode => judgedExitCode(judgement)

const extent = (mesh: Mesh): string => {
  const cover = fromDuration(mesh.coverageTime)
  const rotation = cover === undefined ? '' : `, every pair within ${formatDuration(cover)}`
  return `${counted(mesh.nodeCount, 'node')}, ${counted(mesh.pathCount, 'path')}${rotation}`
}

const answer = ({ meshes, verdicts, judgement }: GetMeshResponse, paint: Paint): string => {
  if (meshes.length === 0) {
    return `${paint('yellow', 'There is no ping mesh.')} Add one with "meshgauge schedules add NAME --mesh".`
  }
  const [worst] = verdicts
  if (worst) {
    const more = verdicts.length > 1 ? ` And ${counted(verdicts.length - 1, 'verdict')} more.` : ''
    return paint('red', `✘ ${sanitize(worst.message)}`) + more
  }
  return judgement ? renderAnswer(judgement, paint) : paint('yellow', 'The collector gives no judgement.')
}

const endText = (end: Endpoint | undefined): string => sanitize(end?.node ?? '')

const lossText = (window: PathWindow | undefined): string =>
  window && window.sentCount > 0 ? formatRatio(window.lossRatio) : '-'

const timeText = (seconds: number | undefined): string =>
  seconds === undefined ? '-' : formatDuration(seconds)

export const renderPaths = (paths: readonly Path[], now: Date, paint: Paint): string =>
  paths.length === 0
    ? 'No path matches.'
    : renderTable(
        [
          'SOURCE',
          'DESTINATION',
          'INTERFACE',
          'STATE',
          'SINCE',
          'LOSS 1 M',
          'P50',
          'P99',
          'CHANGES 1 H',
          'REASON',
        ],
        paths.map((path) => [
          endText(path.source),
          endText(path.destination),
          sanitize(path.source?.interface ?? ''),
          paintState(path.state, paint),
          path.stateTime ? ago(fromTimestamp(path.stateTime), now) : '-',
          lossText(path.lastMinute),
          timeText(fromDuration(path.lastMinute?.rtt?.p50)),
          timeText(fromDuration(path.lastMinute?.rtt?.p99)),
          String(path.changeCount),
          sanitize(path.reason),
        ]),
        paint,
      )

/** @param bad the worst of the lossy and down paths */
export const renderMesh = (
  response: GetMeshResponse,
  bad: readonly Path[],
  now: Date,
  paint: Paint,
): string => {
  const { meshes, verdicts } = response
  const others = verdicts
    .slice(1, MAX_LINES)
    .map(({ message }) => `  ${paint('red', '✘')} ${sanitize(message)}`)
  const problems = [...new Set(meshes.flatMap((mesh) => mesh.problems))]
  const listed = problems.slice(0, MAX_LINES).map((line) => `  ${paint('yellow', '!')} ${sanitize(line)}`)
  if (problems.length > listed.length)
    listed.push(`  and ${counted(problems.length - listed.length, 'more problem')}`)
  const table = renderTable(
    ['MESH', 'SIZE', 'DELIVERING', 'UP', 'LOSSY', 'DOWN', 'STALE'],
    meshes.map((mesh) => [
      sanitize(mesh.schedule),
      extent(mesh),
      `${formatCount(mesh.streamingCount)} of ${formatCount(mesh.nodeCount)}`,
      formatCount(mesh.upCount),
      mesh.lossyCount > 0 ? paint('yellow', formatCount(mesh.lossyCount)) : '0',
      mesh.downCount > 0 ? paint('red', formatCount(mesh.downCount)) : '0',
      formatCount(mesh.staleCount),
    ]),
    paint,
  )
  const parts = [[answer(response, paint), ...others, ...listed].join('\n')]
  if (meshes.length > 0) parts.push(table)
  if (bad.length > 0) parts.push(renderPaths(bad.slice(0, MAX_LINES), now, paint))
  return parts.join('\n\n')
}

/** One line for an event, for `mesh events` and `mesh watch`. */
export const renderEvent = (event: MeshEvent, paint: Paint): string => {
  const time = fromTimestamp(event.time)?.toISOString() ?? ''
  const name = event.source?.interface ? ` on ${sanitize(event.source.interface)}` : ''
  const who = event.destination
    ? `${endText(event.source)} → ${endText(event.destination)}${name}`
    : `${name === '' ? 'agent of ' : ''}${endText(event.source)}${name}`
  const why = event.reason ? `: ${sanitize(event.reason)}` : ''
  return `${time}  ${who}  ${pathStateWord(event.before)} → ${paintState(event.state, paint)}${why}`
}

const BARS = '▁▂▃▄▅▆▇█'
/** Maximum number of bars in a line. With more windows, several share a bar that shows the worst of them. */
const MAX_BARS = 100

const sparkline = (
  windows: readonly PathWindow[],
  figureOf: (window: PathWindow) => number | undefined,
): string => {
  const size = Math.max(1, Math.ceil(windows.length / MAX_BARS))
  const values: (number | undefined)[] = []
  for (let from = 0; from < windows.length; from += size) {
    const some = windows.slice(from, from + size).flatMap((window) => figureOf(window) ?? [])
    values.push(some.length === 0 ? undefined : Math.max(...some))
  }
  const most = Math.max(...values.map((value) => value ?? 0))
  const bar = (value: number | undefined) =>
    value === undefined ? ' ' : BARS[most === 0 ? 0 : Math.round((value / most) * (BARS.length - 1))]!
  return values.map(bar).join('')
}

const RESOLUTIONS: Partial<Record<Resolution, string>> = {
  [Resolution.RESOLUTION_RAW]: 'windows as measured',
  [Resolution.RESOLUTION_5_MINUTES]: 'windows of 5 minutes',
  [Resolution.RESOLUTION_1_HOUR]: 'windows of an hour',
}

export const resolutionText = (resolution: Resolution): string => RESOLUTIONS[resolution] ?? 'windows'

export const renderHistory = (
  name: string,
  { resolution, windows, events }: GetPathHistoryResponse,
  paint: Paint,
): string => {
  if (windows.length === 0) return `${sanitize(name)} has no measurements in this time.`
  const sum = (count: (window: PathWindow) => number) =>
    windows.reduce((total, window) => total + count(window), 0)
  const [sent, received] = [sum(({ sentCount }) => sentCount), sum(({ receivedCount }) => receivedCount)]
  const slowest = Math.max(...windows.map(({ rtt }) => fromDuration(rtt?.max) ?? 0))
  const [first, last] = [windows[0]!.startTime, windows.at(-1)!.endTime].map((time) =>
    fromTimestamp(time)?.toISOString(),
  )
  const loss = sent === 0 ? 0 : (sent - received) / sent
  const lines = [
    `${sanitize(name)}: ${formatRatio(loss)} lost of ${counted(sent, 'probe')}, slowest ${formatDuration(slowest)}`,
    `  loss  ${sparkline(windows, (window) => window.lossRatio)}`,
    `  p99   ${sparkline(windows, ({ rtt }) => fromDuration(rtt?.p99))}`,
    paint(
      'dim',
      `  ${first} to ${last}, ${counted(windows.length, 'window')}, ${resolutionText(resolution)}`,
    ),
  ]
  return [...lines, ...events.map((event) => `  ${renderEvent(event, paint)}`)].join('\n')
}
