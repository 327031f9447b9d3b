import { isAbortError } from 'abort-controller-x'
import type { Command } from 'commander'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { type GetMeshMatrixResponse, PathState, Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import { type MatrixRow, Measure } from '#proto/meshgauge/collector/v1/result.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import { median } from '../../lib/statistics.ts'
import { formatDuration } from '../../lib/units.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readUpTo } from '../client/paging.ts'
import { reconnectingWatch } from '../client/reconnecting-watch.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { keysOf } from '../options/value-reader.ts'
import { renderMatrix } from '../render/matrix-text.ts'
import { eventDocument, historyDocument, meshDocument, pathDocument } from '../render/mesh-document.ts'
import { meshExitCode, renderEvent, renderHistory, renderMesh, renderPaths } from '../render/mesh-text.ts'
import { sanitize } from '../render/paint.ts'
import { type Cell, isMarked, type Matrix, type MatrixMeasure } from '../render/pair-matrix.ts'
import { PATH_STATES } from '../render/path-state.ts'
import { printJson, printLine, type Terminal } from '../terminal.ts'

const secondsAgo = (terminal: Terminal, seconds: number | undefined) =>
  seconds === undefined ? undefined : toTimestamp(new Date(terminal.clock.now().getTime() - seconds * 1000))

const BAD = [PathState.PATH_STATE_DOWN, PathState.PATH_STATE_LOSSY]

const status = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, options, paint } = invocation
    const response = await client.mesh.getMesh({})
    const { paths } = await client.mesh.listPaths({ states: BAD, pageSize: 100 })
    if (options.json) printJson(terminal.stdout, meshDocument(response, paths))
    else printLine(terminal.stdout, renderMesh(response, paths, terminal.clock.now(), paint))
    return meshExitCode(response)
  })

type PathsOptions = { state?: string; node?: string; interface?: string; limit?: string }

const paths = (invocation: Invocation<PathsOptions>): Promise<ExitCode> => {
  const { terminal, options, paint, read } = invocation
  const words = read.list('--state', options.state)
  const states = words.flatMap((word) => {
    const state = PATH_STATES[word]
    if (state === undefined) {
      read.refuse('--state', `"${word}" is not one of ${Object.keys(PATH_STATES).join(', ')}`)
    }
    return state ?? []
  })
  const limit = read.integer('--limit', options.limit, 1, 5000) ?? 100
  const request = { node: options.node ?? '', interface: options.interface ?? '', states }
  return withClient(invocation, async (client) => {
    const { items, hasMore } = await readUpTo(
      limit,
      (page) => client.mesh.listPaths({ ...request, ...page }),
      (page) => page.paths,
    )
    if (options.json) printJson(terminal.stdout, { paths: items.map(pathDocument) })
    else printLine(terminal.stdout, renderPaths(items, terminal.clock.now(), paint))
    if (hasMore)
      printLine(terminal.stderr, 'There are more paths. Raise --limit, or select paths with --node.')
    return EXIT.healthy
  })
}

const MEASURES = {
  loss: Measure.MEASURE_LOSS_RATIO,
  p50: Measure.MEASURE_RTT_P50_SECONDS,
  p99: Measure.MEASURE_RTT_P99_SECONDS,
}
const MATRIX_MEASURES: Record<keyof typeof MEASURES, MatrixMeasure> = {
  loss: 'loss',
  p50: 'rtt-p50',
  p99: 'rtt-p99',
}

/** The collector's default. */
const MATRIX_SECONDS = 60

const toMatrix = (response: GetMeshMatrixResponse, measure: MatrixMeasure, seconds: number): Matrix => {
  const valuesOf = ({ cells }: MatrixRow) => cells.flatMap(({ value }) => value ?? [])
  const matrixMedian = median(response.rows.flatMap(valuesOf))
  const toCell = ({ outcome, value, mark }: MatrixRow['cells'][number]): Cell | undefined => {
    if (outcome === Outcome.OUTCOME_UNSPECIFIED) return undefined
    if (value === undefined) return { kind: 'failed', outcome, reason: '' }
    return { kind: 'value', value, isMarked: isMarked({ mark }) }
  }
  const { sources, destinations } = response
  const rows = response.rows.map(({ cells }) => cells.map(toCell))
  const timeText = `in the last ${formatDuration(seconds)}`
  return {
    interface: response.interface,
    ...{ measure, timeText, sources, destinations, rows },
    median: matrixMedian,
  }
}

const nothingMeasured = (name: string): string =>
  `Nothing was measured${name && ` on ${sanitize(name)}`} in this time. For the state of the mesh: meshgauge mesh`

type MatrixOptions = { measure?: string; interface?: string; since?: string }

const matrix = (invocation: Invocation<MatrixOptions>): Promise<ExitCode> => {
  const { terminal, options, paint, read } = invocation
  const measure = read.choice('--measure', options.measure, keysOf(MEASURES)) ?? 'loss'
  const seconds = read.seconds('--since', options.since)
  const startTime = secondsAgo(terminal, seconds)
  return withClient(invocation, async (client) => {
    const request = {
      interface: options.interface ?? '',
      measure: MEASURES[measure],
      ...(startTime && { startTime }),
    }
    const response = await client.mesh.getMeshMatrix(request)
    if (options.json) {
      const { sources, destinations } = response
      const rows = response.rows.map(({ cells }) => cells.map(({ value }) => value ?? null))
      printJson(terminal.stdout, { interface: response.interface, measure, sources, destinations, rows })
    } else if (response.rows.length === 0) {
      printLine(terminal.stdout, nothingMeasured(response.interface))
    } else {
      const { columns } = terminal.stdout
      const fullOutputHint = 'print all with --json'
      printLine(
        terminal.stdout,
        renderMatrix(toMatrix(response, MATRIX_MEASURES[measure], seconds ?? MATRIX_SECONDS), {
          paint,
          columns,
          fullOutputHint,
        }),
      )
    }
    return response.rows.length > 0 ? EXIT.healthy : EXIT.notMeasured
  })
}

const RESOLUTIONS = {
  raw: Resolution.RESOLUTION_RAW,
  '5m': Resolution.RESOLUTION_5_MINUTES,
  '1h': Resolution.RESOLUTION_1_HOUR,
}

type HistoryOptions = { interface?: string; since?: string; resolution?: string }

const history = (invocation: Invocation<HistoryOptions>): Promise<ExitCode> => {
  const { terminal, operands, options, paint, read } = invocation
  const [source = '', destination = ''] = operands
  if (source === '') read.refuse('SOURCE', 'is missing: give the node that probes')
  if (destination === '') read.refuse('DESTINATION', 'is missing: give the node that is probed')
  const startTime = secondsAgo(terminal, read.seconds('--since', options.since))
  const choice = read.choice('--resolution', options.resolution, keysOf(RESOLUTIONS))
  const resolution = choice ? RESOLUTIONS[choice] : Resolution.RESOLUTION_UNSPECIFIED
  return withClient(invocation, async (client) => {
    const request = { source, destination, interface: options.interface ?? '', resolution }
    const response = await client.mesh.getPathHistory({ ...request, ...(startTime && { startTime }) })
    if (options.json) printJson(terminal.stdout, historyDocument(response))
    else printLine(terminal.stdout, renderHistory(`${source} → ${destination}`, response, paint))
    return response.windows.length > 0 ? EXIT.healthy : EXIT.notMeasured
  })
}

const events = (
  invocation: Invocation<{ node?: string; since?: string; limit?: string }>,
): Promise<ExitCode> => {
  const { terminal, options, paint, read } = invocation
  const startTime = secondsAgo(terminal, read.seconds('--since', options.since))
  const limit = read.integer('--limit', options.limit, 1, 5000) ?? 100
  return withClient(invocation, async (client) => {
    const request = { node: options.node ?? '', ...(startTime && { startTime }) }
    const { items: found } = await readUpTo(
      limit,
      (page) => client.mesh.listMeshEvents({ ...request, ...page }),
      (page) => page.events,
    )
    if (options.json) printJson(terminal.stdout, { events: found.map(eventDocument) })
    else if (found.length === 0) printLine(terminal.stdout, 'No state changed in this time.')
    else for (const event of found) printLine(terminal.stdout, renderEvent(event, paint))
    return EXIT.healthy
  })
}

const watch = (invocation: Invocation<{ node?: string }>): Promise<ExitCode> => {
  const { terminal, options, paint } = invocation
  return withClient(invocation, async (client) => {
    const stopping = new AbortController()
    const stopListening = terminal.onInterrupt(() => stopping.abort())
    const request = { node: options.node ?? '' }
    const watched = reconnectingWatch(terminal.clock, stopping.signal, (call) =>
      client.mesh.watchMesh(request, call),
    )
    try {
      for await (const { event } of watched) {
        if (!event) continue
        // One document per line, because the stream has no end.
        if (options.json) printLine(terminal.stdout, JSON.stringify(eventDocument(event)))
        else printLine(terminal.stdout, renderEvent(event, paint))
      }
      return EXIT.notMeasured
    } catch (error) {
      if (stopping.signal.aborted && isAbortError(error)) return EXIT.healthy
      throw error
    } finally {
      stopListening()
    }
  })
}

const INTERFACE = ['--interface <name>', 'The interface. Default: the only one.'] as const
const NODE = ['--node <name>', 'Only paths from or to this node.'] as const

const addPathCommands = (mesh: Command, app: App): void => {
  const pathsCommand = mesh
    .command('paths')
    .description('List paths with their loss and round-trip time of the last minute, worst first.')
    .option(
      '--state <states>',
      `Only paths in these states: ${Object.keys(PATH_STATES).join(', ')}. Several as a,b.`,
    )
    .option(...NODE)
    .option('--interface <name>', 'Only paths of this interface.')
    .option('--limit <n>', 'Number of paths, 1 to 5000. Default 100.')
  app.handle(pathsCommand, 0, paths, { isList: true })
  const matrixCommand = mesh
    .command('matrix')
    .description('Show one measure of all paths as a matrix. Rows probe, columns are probed.')
    .option('--measure <name>', `One of ${keysOf(MEASURES).join(', ')}. Default loss.`)
    .option(...INTERFACE)
    .option('--since <time>', 'Length of the time until now. Default 1m.')
  app.handle(matrixCommand, 0, matrix)
  const historyCommand = mesh
    .command('history')
    .description(
      'Show one path over time: loss and round-trip time as one line each, and its changes of state.',
    )
    .argument('[SOURCE]', 'The node that probes.')
    .argument('[DESTINATION]', 'The node that is probed.')
    .option(...INTERFACE)
    .option('--since <time>', 'Length of the time until now. Default 1h.')
    .option(
      '--resolution <length>',
      `One of ${keysOf(RESOLUTIONS).join(', ')}. Default: the finest that the store has.`,
    )
  app.handle(historyCommand, 2, history)
}

export const addMeshCommand = (program: Command, app: App): void => {
  const mesh = program
    .command('mesh')
    .summary('Show the always-on ping mesh.')
    .description(
      `Show the always-on ping meshes: whether they are healthy, the culprits if they are not, and the loss and round-trip
time of every path, now and over time. Schedules create ping meshes.`,
    )
  withExamples(mesh, [
    ['meshgauge mesh', 'show the state of the mesh'],
    ['meshgauge mesh paths --state down,lossy', 'list the bad paths'],
    ['meshgauge mesh matrix --measure p99 --since 5m', ''],
    ['meshgauge mesh history gpu-01 gpu-07 --since 6h', 'show one path over time'],
    ['meshgauge mesh watch', 'print changes of state until Ctrl-C'],
  ]).addHelpText('after', '\nExit codes of status: 0 healthy, 1 a path or node is bad, 3 nothing is measured')
  app.handle(mesh, 0, status, { isList: true })
  app.handle(
    mesh.command('status').description('Show the state of the mesh. The same as "meshgauge mesh".'),
    0,
    status,
    { isList: true },
  )
  addPathCommands(mesh, app)
  const eventsCommand = mesh
    .command('events')
    .description('List changes of state of paths, interfaces and agents, newest first.')
    .option(...NODE)
    .option('--since <time>', 'Length of the time until now. Default 1d.')
    .option('--limit <n>', 'Number of events, 1 to 5000. Default 100.')
  app.handle(eventsCommand, 0, events)
  const watchCommand = mesh
    .command('watch')
    .description(
      'Print each change of state when it happens, until Ctrl-C. With --json, one document per line.',
    )
    .option(...NODE)
  app.handle(watchCommand, 0, watch)
}
