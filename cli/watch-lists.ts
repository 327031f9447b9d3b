/** --watch: shows a list again and again, until Ctrl-C. */

import { isAbortError } from 'abort-controller-x'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { createStatusLine } from './render/status-line.ts'
import type { OutputStream, Terminal } from './terminal.ts'

const WATCH_SECONDS = 2

export const WATCH_HELP = `Show the list again every ${WATCH_SECONDS} s until Ctrl-C. With --json, one document per line.`

/** What a list needs of an invocation to be shown again. */
type Watched = { terminal: Terminal; options: { json?: boolean; watch?: boolean } }

type Show<I> = (invocation: I) => Promise<ExitCode>

/** Shows each list: in place in a terminal, below the previous one elsewhere, and there only if it changed. */
const createScreen = ({ stdout }: Terminal, json: boolean) => {
  const status = createStatusLine(stdout)
  let last: string | undefined
  return {
    show: (text: string): void => {
      if (stdout.isTTY && !json) {
        status.show(text.trimEnd())
        return
      }
      const shown = json ? `${JSON.stringify(JSON.parse(text))}\n` : text
      if (shown === last) return
      stdout.write(last === undefined || json ? shown : `\n${shown}`)
      last = shown
    },
    /** Leaves the last list on the screen of a terminal. */
    end: (text: string): void => {
      if (!stdout.isTTY || json) return
      status.clear()
      stdout.write(text)
    },
  }
}

/** Runs the handler once and returns what it wrote to stdout. */
const capture = async <I extends Watched>(handler: Show<I>, invocation: I): Promise<string> => {
  let text = ''
  const stdout: OutputStream = {
    write: (part) => {
      text += part
    },
    isTTY: invocation.terminal.stdout.isTTY,
    columns: invocation.terminal.stdout.columns,
  }
  await handler({ ...invocation, terminal: { ...invocation.terminal, stdout } })
  return text
}

const watch = async <I extends Watched>(handler: Show<I>, invocation: I): Promise<ExitCode> => {
  const { terminal, options } = invocation
  const stopping = new AbortController()
  const stopListening = terminal.onInterrupt(() => stopping.abort())
  const screen = createScreen(terminal, options.json === true)
  let last = ''
  try {
    for (;;) {
      last = await capture(handler, invocation)
      screen.show(last)
      await terminal.clock.sleep(WATCH_SECONDS, stopping.signal)
    }
  } catch (error) {
    if (!stopping.signal.aborted || !isAbortError(error)) throw error
    return EXIT.healthy
  } finally {
    screen.end(last)
    stopListening()
  }
}

/** Adds --watch to the handler of a list. */
export const watchable =
  <I extends Watched>(handler: Show<I>): Show<I> =>
  (invocation) =>
    invocation.options.watch ? watch(handler, invocation) : handler(invocation)
