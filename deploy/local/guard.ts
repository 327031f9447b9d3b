import { execa } from 'execa'

/** Ends a lab when its owner has gone, however it went. */
export type Guard = {
  /** Lets the lab be: it stays when the owner goes. */
  release(): Promise<void>
}

/**
 * Waits in a session of its own, out of reach of Ctrl-C and hang-ups, on a pipe that only the owner holds. A line is
 * the release; the end of the pipe without one is the owner's death, and then it becomes the command it was given.
 */
const WATCH = `trap '' HUP INT TERM; read -r word && exit 0; exec "$@"`

export const startGuard = async (downCommand: readonly string[]): Promise<Guard> => {
  const child = execa('sh', ['-c', WATCH, 'meshgauge-lab-guard', ...downCommand], {
    detached: true,
    cleanup: false,
    reject: false,
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'ignore',
  })
  if (child.pid === undefined) throw new Error('the guard of the lab did not start', { cause: await child })
  child.nodeChildProcess.unref()
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref()
  return {
    release: async () => {
      child.nodeChildProcess.ref()
      if (!child.stdin.writableEnded) child.stdin.end('release\n')
      await child
    },
  }
}
