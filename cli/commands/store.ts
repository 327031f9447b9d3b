import type { Command } from 'commander'
import { formatBytes, formatDuration } from '../../lib/units.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { targetProblem, writeWhole } from '../backup-file.ts'
import type { CollectorClient } from '../connection.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { CommandError } from '../problems.ts'
import { createStatusLine } from '../render/status-line.ts'
import { renderStoreInfo, storeInfoDocument } from '../render/store-text.ts'
import { printJson, printLine, type Terminal } from '../terminal.ts'

/** A copy of many gigabytes over a slow line; without any end a lost collector would hold us for ever. */
const BACKUP_DEADLINE_MS = 6 * 3600 * 1000

const SHOW_SECONDS = 0.25

const info = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, options, paint } = invocation
    const answer = await client.store.getStoreInfo({})
    if (options.json) printJson(terminal.stdout, storeInfoDocument(answer))
    else printLine(terminal.stdout, renderStoreInfo(answer, terminal.clock.now(), paint))
    return EXIT.healthy
  })

/** Shows the progress of a copy in a terminal. */
const createLine = ({ stderr, clock }: Terminal) => {
  let last = Number.NEGATIVE_INFINITY
  const line = createStatusLine(stderr)
  line.show('the collector copies its store')
  return {
    update: (done: number, size: number) => {
      if (clock.monotonicSeconds() - last < SHOW_SECONDS) return
      last = clock.monotonicSeconds()
      const share = Math.floor((100 * done) / Math.max(1, size))
      line.show(`${formatBytes(done)} of ${formatBytes(size)}, ${share} %`)
    },
    end: () => line.clear(),
  }
}

type Received = { bytes: number }

async function* receive(
  client: CollectorClient,
  terminal: Terminal,
  received: Received,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const line = createLine(terminal)
  try {
    let size: number | undefined
    for await (const piece of client.store.backupStore({}, { signal, deadline: BACKUP_DEADLINE_MS })) {
      size = piece.sizeBytes
      received.bytes += piece.data.length
      line.update(received.bytes, size)
      yield piece.data
    }
    if (size !== received.bytes) {
      const text = `the copy ended after ${formatBytes(received.bytes)}${size === undefined ? '' : ` of ${formatBytes(size)}`}; nothing was written`
      throw new CommandError(text, EXIT.notMeasured)
    }
  } finally {
    line.end()
  }
}

const backup = async (invocation: Invocation<{ force?: boolean }>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  const [file] = operands
  const force = options.force === true
  const problem = file === undefined ? 'is missing: where to write the copy' : targetProblem(file, force)
  if (problem) read.refuse(file ?? 'FILE', problem)
  const client = await invocation.connect()
  const stopping = new AbortController()
  const stopListening = terminal.onInterrupt(() => stopping.abort())
  const received = { bytes: 0 }
  const start = terminal.clock.monotonicSeconds()
  try {
    await writeWhole(file!, receive(client, terminal, received, stopping.signal), { force })
  } catch (error) {
    if (!stopping.signal.aborted) throw error
    printLine(terminal.stderr, 'Interrupted; nothing was written.')
    return EXIT.interrupted
  } finally {
    stopListening()
    client.close()
  }
  const seconds = terminal.clock.monotonicSeconds() - start
  if (options.json) printJson(terminal.stdout, { file, sizeBytes: received.bytes })
  else {
    const how = `${formatBytes(received.bytes)} in ${formatDuration(seconds)}`
    printLine(
      terminal.stdout,
      `${file}: ${how}. A collector started with --store on a copy of it goes on from there.`,
    )
  }
  return EXIT.healthy
}

export const addStoreCommand = (program: Command, app: App): void => {
  const store = program
    .command('store')
    .summary('see and back up what the collector keeps')
    .description(
      'What the collector keeps of runs and of the ping mesh, how long, and in how much room; and a copy of it.',
    )
  withExamples(store, [
    ['meshgauge store info', 'what is kept, since when, and its size'],
    ['meshgauge store backup meshgauge-backup.db', 'a copy as of now, while the collector goes on'],
  ])
  app.handle(
    store
      .command('info')
      .description(
        'Shows what is kept level by level: how much, since when, and how long; and the room it takes.',
      ),
    0,
    info,
  )
  app.handle(
    store
      .command('backup')
      .description(
        `Writes a copy of the store as it is now: an SQLite database, for its owner alone. Measuring goes on meanwhile. The file
is whole or not there; Ctrl-C leaves nothing.`,
      )
      .argument('[FILE]', 'where to write it')
      .option('--force', 'replace the file when it is there'),
    1,
    backup,
  )
}
