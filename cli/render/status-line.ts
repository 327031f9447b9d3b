import { createLogUpdate } from 'log-update'
import type { OutputStream } from '../terminal.ts'

/** Text at the bottom of a terminal that is replaced in place. Nothing is shown where the stream is not a terminal. */
export type StatusLine = {
  /** Replaces the text. It may be longer than the terminal is wide. */
  show(text: string): void
  /** Removes the text, so that something else can be written. */
  clear(): void
}

/** The only code that erases what was written to a terminal. */
export const createStatusLine = (stream: OutputStream): StatusLine => {
  if (!stream.isTTY) return { show: () => undefined, clear: () => undefined }
  // log-update needs no more of a stream than OutputStream has.
  const update = createLogUpdate(stream as unknown as NodeJS.WritableStream, { showCursor: true })
  return { show: update, clear: () => update.clear() }
}
