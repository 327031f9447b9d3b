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

export const deps = createLabDeps(machine, systemClock, sourceDownCommand(process.execPath))

const rights = await checkRights(machine.uid, machine.environment)
const reason =
  rights.namespaces === 'in a user namespace'
    ? 'these tests look at the machine from outside the lab: run them as root'
    : rights.reasons.join('; ')

/** A `describe` for what needs namespaces; where they cannot be had, its name says why it was skipped. */
export const describeLab = (name: string, tests: () => void): void => {
  if (rights.namespaces === 'now') describe(name, tests)
  else describe.skip(`${name} (skipped: ${reason})`, tests)
}

/** `pid parent command` */
const describeProcess = async (pid: string): Promise<string> => {
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')
  const [, parent = ''] = /^PPid:\s*(\d+)$/m.exec(await read('status')) ?? []
  return `${pid} ${parent} ${(await read('cmdline')).replaceAll('\0', ' ')}`
}

/** A guard of ours is no trace: it goes with our hold on the lab, and not with the lab. */
const isOwnGuard = (line: string): boolean =>
  line.split(' ')[1] === String(process.pid) && line.includes('meshgauge-lab-guard')

/** Everything of lab `index` on this machine: namespaces, links, state, and processes that mention it. */
export const traces = async (index: number): Promise<string[]> => {
  const stateDir = `${deps.stateRoot}/lab-${index}`
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

/** What is on this machine besides labs, and must be the same before and after. */
export const surroundings = async (): Promise<{ namespaces: string[]; links: string[] }> => {
  const namespaces = existsSync('/run/netns') ? await readdir('/run/netns') : []
  const links = [...(await readFile('/proc/net/dev', 'utf8')).matchAll(/^\s*(\S+):/gm)].map(
    (match) => match[1] ?? '',
  )
  return {
    namespaces: namespaces.filter((name) => labOfNamespace(name) === undefined).sort(),
    links: links.filter((name) => !/^mg\d+-mgmt$/.test(name)).sort(),
  }
}
