import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe } from 'vitest'
import { createLabDeps, type Machine, sourceDownCommand } from '../../deploy/local/lab.ts'
import { checkRights } from '../../deploy/local/rights.ts'
import { labOfNamespace } from '../../deploy/local/topology.ts'
import { systemClock } from '../../lib/clock.ts'

const machine: Machine = {
  pid: process.pid,
  uid: process.getuid?.() ?? -1,
  environment: process.env,
  temporaryDirectory: tmpdir(),
}

/** The dependencies of labs that tests create. */
export const labDeps = createLabDeps(machine, systemClock, sourceDownCommand(process.execPath))

const rights = await checkRights(machine.uid, machine.environment)
const reason =
  rights.namespaces === 'in a user namespace'
    ? 'these tests inspect the lab from outside its namespaces: run them as root'
    : rights.reasons.join('; ')

/** A `describe` for tests that need network namespaces. Without the rights it skips them, with the reason in its name. */
export const describeLab = (name: string, tests: () => void): void => {
  if (rights.namespaces === 'now') describe(name, tests)
  else describe.skip(`${name} (skipped: ${reason})`, tests)
}

/** A process as the text `pid parent command`. */
const describeProcess = async (pid: string): Promise<string> => {
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')
  const [, parent = ''] = /^PPid:\s*(\d+)$/m.exec(await read('status')) ?? []
  return `${pid} ${parent} ${(await read('cmdline')).replaceAll('\0', ' ')}`
}

/** True for the guard of a lab of this process. It ends when the lab's owner releases it, not when the lab is deleted. */
const isOwnGuard = (line: string): boolean =>
  line.split(' ')[1] === String(process.pid) && line.includes('meshgauge-lab-guard')

/** Everything of lab `index` on this machine: namespaces, links, the state directory, and processes that name it. */
export const tracesOfLab = async (index: number): Promise<string[]> => {
  const stateDir = `${labDeps.stateRoot}/lab-${index}`
  const namespaces = existsSync('/run/netns') ? await readdir('/run/netns') : []
  const links = await readFile('/proc/net/dev', 'utf8')
  const processes = await Promise.all(
    (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(describeProcess),
  )
  return [
    ...namespaces.filter((name) => labOfNamespace(name) === index),
    ...(links.includes(`mg${index}-mgmt:`) ? [`mg${index}-mgmt`] : []),
    ...(existsSync(stateDir) ? [stateDir] : []),
    ...processes.filter(
      (line) => (line.includes(`${stateDir}/`) || line.includes(`mg${index}-node-`)) && !isOwnGuard(line),
    ),
  ]
}

/** Namespaces and links of this machine that belong to no lab. A lab must not change them. */
export const networksBesidesLabs = async (): Promise<{ namespaces: string[]; links: string[] }> => {
  const namespaces = existsSync('/run/netns') ? await readdir('/run/netns') : []
  const links = [...(await readFile('/proc/net/dev', 'utf8')).matchAll(/^\s*(\S+):/gm)].map(
    (match) => match[1] ?? '',
  )
  return {
    namespaces: namespaces.filter((name) => labOfNamespace(name) === undefined).sort(),
    links: links.filter((name) => !/^mg\d+-mgmt$/.test(name)).sort(),
  }
}
