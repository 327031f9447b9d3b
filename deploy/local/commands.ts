import { type ExecaError, execa } from 'execa'
import { LabError } from './problems.ts'

/** The programs that make and unmake a lab. Each rejects with what the program said. */
export type Commands = {
  /** Lines for `ip -batch` in `namespace`, or in the machine's own when absent. */
  ip(lines: readonly string[], namespace?: string): Promise<void>
  /** Lines for `tc -batch` in `namespace`. */
  tc(lines: readonly string[], namespace: string): Promise<void>
  /** A ruleset, loaded as one transaction in `namespace`. */
  nft(ruleset: string, namespace: string): Promise<void>
  /** The output of one program. */
  read(program: string, args: readonly string[]): Promise<string>
}

/** Debian keeps ip, tc and nft where an ordinary user's PATH does not look. */
export const systemPath = (path: string | undefined): string =>
  [path ?? '/usr/bin:/bin', '/usr/sbin', '/sbin'].join(':')

const COMMAND_TIMEOUT_MS = 60_000

export const createCommands = (environment: Readonly<Record<string, string | undefined>>): Commands => {
  const env = { PATH: systemPath(environment.PATH) }
  // The kernel kills the command with us: were we killed half-way, it would go on building what the guard takes down.
  const bound = ['--pdeathsig', 'KILL', '--']
  const run = async (program: string, args: readonly string[], input = ''): Promise<string> => {
    try {
      const { stdout } = await execa('setpriv', [...bound, program, ...args], {
        env,
        input,
        timeout: COMMAND_TIMEOUT_MS,
      })
      return stdout
    } catch (error) {
      const { stderr, shortMessage } = error as ExecaError
      const said = typeof stderr === 'string' && stderr.trim() ? stderr.trim() : shortMessage
      throw new LabError([`${[program, ...args].join(' ')}: ${said}`], { cause: error })
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
