/** The programs that measure, from Debian where they are missing and may be installed. */

import { execa } from 'execa'
import { EXIT } from '../exit.ts'
import { CommandError } from '../problems.ts'
import type { Terminal } from '../terminal.ts'

const PROGRAMS = [
  { name: 'iperf3', version: /iperf (\S+)/ },
  { name: 'fping', version: /Version (\S+)/ },
] as const

const INSTALL_TIMEOUT_MS = 300_000

export type Programs = { versions: string[]; missing: string[] }

/** Debian keeps some programs where an ordinary user's PATH does not look. */
const pathOf = ({ env }: Terminal): string => `${env.PATH ?? '/usr/bin:/bin'}:/usr/local/bin:/usr/sbin:/sbin`

export const findPrograms = async (terminal: Terminal): Promise<Programs> => {
  const found = await Promise.all(
    PROGRAMS.map(async ({ name, version }) => {
      const result = await execa(name, ['--version'], {
        env: { PATH: pathOf(terminal) },
        reject: false,
        timeout: 10_000,
      })
      if (result.exitCode !== 0) return { name, version: undefined }
      return { name, version: version.exec(`${result.stdout}${result.stderr}`)?.[1] ?? 'of unknown version' }
    }),
  )
  return {
    versions: found.flatMap(({ name, version }) => (version === undefined ? [] : [`${name} ${version}`])),
    missing: found.flatMap(({ name, version }) => (version === undefined ? [name] : [])),
  }
}

/** Puts the missing ones in place, or says the one line to type. */
export const installPrograms = async (
  terminal: Terminal,
  missing: readonly string[],
  signal: AbortSignal,
): Promise<void> => {
  const line = `apt-get install --yes --no-install-recommends ${missing.join(' ')}`
  const advice = new CommandError(
    `${missing.join(' and ')} cannot be found. Type:\n  ${terminal.machine.uid === 0 ? '' : 'sudo '}${line}`,
    EXIT.notMeasured,
  )
  if (terminal.machine.uid !== 0) throw advice
  const apt = (...words: string[]) =>
    execa('apt-get', words, {
      env: { PATH: pathOf(terminal), DEBIAN_FRONTEND: 'noninteractive' },
      reject: false,
      timeout: INSTALL_TIMEOUT_MS,
      cancelSignal: signal,
    })
  const install = () => apt('install', '--yes', '--no-install-recommends', ...missing)
  // A fresh machine or image has no package lists yet.
  const done =
    (await install()).exitCode === 0 ||
    ((await apt('update')).exitCode === 0 && (await install()).exitCode === 0)
  signal.throwIfAborted()
  if (!done) throw advice
}
