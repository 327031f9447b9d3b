/** Finds the running labs of this machine and their collectors. */

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import {
  createLabDeps,
  type Lab,
  type LabDeps,
  LabError,
  type LabReport,
  labStatus,
} from '../../deploy/local/lab.ts'
import type { Terminal } from '../terminal.ts'

/** The program that removes a lab whose owner was killed. It does not depend on the files of this command. */
const DOWN_MAIN = fileURLToPath(new URL('../../deploy/local/down.main.ts', import.meta.url))

export const labDeps = ({ machine, env, clock }: Terminal): LabDeps => {
  const { pid, uid, temporaryDirectory, program } = machine
  return createLabDeps({ pid, uid, environment: env, temporaryDirectory }, clock, (index) => [
    ...program.slice(0, -1),
    DOWN_MAIN,
    String(index),
  ])
}

/** The address of the lab's collector from its configuration, undefined without a collector. */
export const collectorAddress = async (lab: Pick<Lab, 'stateDir'>): Promise<string | undefined> => {
  try {
    const config: unknown = parse(await readFile(`${lab.stateDir}/fleet.yaml`, 'utf8'))
    const listen =
      typeof config === 'object' && config !== null && 'listen' in config ? config.listen : undefined
    return typeof listen === 'string' ? listen : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const hasCollector = ({ processes }: LabReport): boolean =>
  processes.some(({ name, isAlive }) => name === 'collector' && isAlive)

/** The labs that run a collector, with its address. */
export const findLabCollectors = async (terminal: Terminal): Promise<{ lab: number; address: string }[]> => {
  const reports = (await labStatus(labDeps(terminal))).filter(hasCollector)
  const found = reports.map(async (report) => ({
    lab: report.index,
    address: await collectorAddress(report),
  }))
  return (await Promise.all(found)).flatMap(({ lab, address }) =>
    address === undefined ? [] : { lab, address },
  )
}

/** The given lab, or the only one. @throws LabError if it does not exist, or if there are none or several */
export const chooseLab = async (deps: LabDeps, index: number | undefined): Promise<number> => {
  const labs = (await labStatus(deps)).map((report) => report.index)
  const [first] = labs
  if (first === undefined) {
    const which = index === undefined ? 'no lab is running' : `there is no lab ${index}, and no other`
    throw new LabError([`${which}; create one with "meshgauge lab up"`])
  }
  const numbers = labs.join(', ')
  if (index !== undefined) {
    if (labs.includes(index)) return index
    throw new LabError([
      `there is no lab ${index}; there ${labs.length === 1 ? 'is lab' : 'are labs'} ${numbers}`,
    ])
  }
  if (labs.length === 1) return first
  throw new LabError([`several labs are running: ${numbers}; choose one with --index`])
}
