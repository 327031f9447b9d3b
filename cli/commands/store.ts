import type { Command } from 'commander'
import { formatBytes, formatDuration } from '../../lib/units.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { CollectorClient } from '../client/connection.ts'
import { CommandError } from '../command-errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { createStatusLine } from '../render/status-line.ts'
import { renderStoreInfo, storeInfoDocument } from '../render/store-text.ts'
import { printJson, printLine, type Terminal } from '../terminal.ts'
import { targetProblem, writeAtomically } from '../write-atomically.ts'

/** Enough for many gigabytes over a slow line. Without a deadline the command would wait forever for a lost collector. */
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

/** Shows the progress of a copy on one line of a terminal. Writes nothing to a pipe. */
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
  const problem = file === undefined ? 'is missing: give the file to write' : targetProblem(file, force)
  if (problem) read.refuse(file ?? 'FILE', problem)
  const client = await invocation.connect()
  const stopping = new AbortController()
  const stopListening = terminal.onInterrupt(() => stopping.abort())
  const received = { bytes: 0 }
  const start = terminal.clock.monotonicSeconds()
  try {
    await writeAtomically(file!, receive(client, terminal, received, stopping.signal), { force })
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
      `Wrote ${file}: ${how}. To restore it, start a collector with --store on a copy of this file.`,
    )
  }
  return EXIT.healthy
}

export const addStoreCommand = (program: Command, app: App): void => {
  const store = program
    .command('store')
    .summary('Show and back up the store of the collector.')
    .description('Show what the collector stores of runs and ping meshes, or write a backup of it.')
  withExamples(store, [
    ['meshgauge store info', 'show content, age and size'],
    ['meshgauge store backup meshgauge-backup.db', 'write a copy while the collector keeps running'],
  ])
  app.handle(
    store
      .command('info')
      .description(
        'Show the size of the store, and for each level the number of rows, their age and their retention.',
      ),
    0,
    info,
  )
  app.handle(
    store
      .command('backup')
      .description(
        `Write a copy of the current store to a file: an SQLite database that only you can read. The collector keeps measuring.
After an error or Ctrl-C no incomplete file remains.`,
      )
      .argument('[FILE]', 'The file to write.')
      .option('--force', 'Replace an existing file.'),
    1,
    backup,
  )
}
