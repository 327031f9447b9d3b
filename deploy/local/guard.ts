import { execa } from 'execa'
import type { Claim } from './state.ts'

/** Ends a lab when its owner has gone, however it went. */
export type Guard = {
  /** Lets the lab be: it stays when the owner goes. */
  release(): Promise<void>
}

/**
 * Waits in a session of its own, out of reach of Ctrl-C and hang-ups, on a pipe that only the owner holds. A line is
 * the release; the end of the pipe without one is the owner's death. Then, if the lab did become the owner's, it
 * becomes the command that tears it down.
 */
const WATCH = `trap '' HUP INT TERM
read -r word && exit 0
rm -rf "$1"
[ "$(cat "$2" 2>/dev/null)" = "$3" ] || exit 0
shift 3
exec "$@"`

/** Started before the lab is claimed, so that there is no moment in which the owner's death leaves anything. */
export const startGuard = async (claim: Claim, downCommand: readonly string[]): Promise<Guard> => {
  const args = [claim.staging, claim.ownerFile, claim.token, ...downCommand]
  const child = execa('sh', ['-c', WATCH, 'meshgauge-lab-guard', ...args], {
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
