/** Finds iperf3 and fping. `npm start` installs missing programs before it runs the trial. */

import { execa } from 'execa'
import { CommandError } from '../command-errors.ts'
import { EXIT } from '../exit-codes.ts'
import type { Terminal } from '../terminal.ts'

const PROGRAMS = [
  { name: 'iperf3', version: /iperf (\S+)/ },
  { name: 'fping', version: /Version (\S+)/ },
] as const

/** Debian installs some programs in folders that are not on the PATH of an ordinary user. */
const pathOf = ({ env }: Terminal): string => `${env.PATH ?? '/usr/bin:/bin'}:/usr/local/bin:/usr/sbin:/sbin`

/** Names and versions, such as `iperf3 3.12`. @throws CommandError with the install command if one is missing */
export const findPrograms = async (terminal: Terminal): Promise<string[]> => {
  const env = { PATH: pathOf(terminal) }
  const found = await Promise.all(
    PROGRAMS.map(async ({ name, version }) => {
      const result = await execa(name, ['--version'], { env, reject: false, timeout: 10_000 })
      if (result.exitCode !== 0) return { name, missing: true }
      return {
        name: `${name} ${version.exec(`${result.stdout}${result.stderr}`)?.[1] ?? ''}`.trim(),
        missing: false,
      }
    }),
  )
  const missing = found.filter((each) => each.missing).map(({ name }) => name)
  if (missing.length > 0) {
    const sudo = terminal.machine.uid === 0 ? '' : 'sudo '
    throw new CommandError(
      `${missing.join(' and ')} cannot be found. Install with:  ${sudo}apt-get install ${missing.join(' ')}`,
      EXIT.notMeasured,
    )
  }
  return found.map(({ name }) => name)
}
