import { type ExecaError, execa } from 'execa'
import { LabError } from './lab-error.ts'

/** The programs that create and delete a lab. A failure is a LabError with the program's error output. */
export type Commands = {
  /** Runs lines with `ip -batch` in `namespace`, or in the machine's own namespace when absent. */
  ip(lines: readonly string[], namespace?: string): Promise<void>
  /** Runs lines with `tc -batch` in `namespace`. */
  tc(lines: readonly string[], namespace: string): Promise<void>
  /** Loads an nftables ruleset in `namespace`, as one transaction. */
  nft(ruleset: string, namespace: string): Promise<void>
  /** Runs one program and returns its output. */
  read(program: string, args: readonly string[]): Promise<string>
}

/** `path` with the folders where Debian installs ip, tc and nft. The PATH of an ordinary user lacks them. */
export const systemPath = (path: string | undefined): string =>
  [path ?? '/usr/bin:/bin', '/usr/sbin', '/sbin'].join(':')

const COMMAND_TIMEOUT_MS = 60_000

export const createCommands = (environment: Readonly<Record<string, string | undefined>>): Commands => {
  const env = { PATH: systemPath(environment.PATH) }
  // The kernel kills the command when this process dies. Otherwise it would create devices while the guard deletes them.
  const killedWithParent = ['--pdeathsig', 'KILL', '--']
  const run = async (program: string, args: readonly string[], input = ''): Promise<string> => {
    try {
      const { stdout } = await execa('setpriv', [...killedWithParent, program, ...args], {
        env,
        input,
        timeout: COMMAND_TIMEOUT_MS,
      })
      return stdout
    } catch (error) {
      const { stderr, shortMessage } = error as ExecaError
      const message = typeof stderr === 'string' && stderr.trim() ? stderr.trim() : shortMessage
      throw new LabError([`${[program, ...args].join(' ')}: ${message}`], { cause: error })
    }
  }
  const batch = async (program: string, lines: readonly string[], namespace?: string): Promise<void> => {
    if (lines.length === 0) return
    const where = namespace === undefined ? [] : ['-n', namespace]
    await run(program, [...where, '-batch', '-'], `${lines.join('\n')}\n`)
  }
  return {
    ip: (lines, namespace) => batch('ip', lines, namespace),
    tc: (lines, namespace) => batch('tc', lines, namespace),
    nft: async (ruleset, namespace) => {
      await run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], ruleset)
    },
    read: (program, args) => run(program, args),
  }
}
