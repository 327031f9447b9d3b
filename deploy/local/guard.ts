import { execa } from 'execa'
import type { Ownership } from './state.ts'

/** A process that deletes a lab when the process that created it dies, even by SIGKILL. */
export type Guard = {
  /** Ends the guard. The lab then continues to exist after its owner ends. */
  release(): Promise<void>
}

/**
 * The guard's shell script. It runs in its own session, so Ctrl-C and hang-ups do not reach it, and reads a pipe whose
 * other end only the owner has open. A line releases the guard. The end of the pipe without a line means that the owner
 * has died: if the owner file then contains the owner's token, the script executes the command that deletes the lab.
 */
const GUARD_SCRIPT = `trap '' HUP INT TERM
read -r word && exit 0
rm -rf "$1"
[ "$(cat "$2" 2>/dev/null)" = "$3" ] || exit 0
shift 3
exec "$@"`

/** Starts the guard. Call it before `takeOwnership`, so that the lab has a guard at every moment of its life. */
export const startGuard = async (ownership: Ownership, downCommand: readonly string[]): Promise<Guard> => {
  const args = [ownership.staging, ownership.ownerFile, ownership.token, ...downCommand]
  const child = execa('sh', ['-c', GUARD_SCRIPT, 'meshgauge-lab-guard', ...args], {
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
