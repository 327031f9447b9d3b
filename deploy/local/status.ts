import { isAlive } from './identity.ts'
import type { LabDeps } from './lab-deps.ts'
import { LabError } from './lab-error.ts'
import { recordedProcesses } from './processes.ts'
import { type Lab, loadLab, stateDirectory } from './state.ts'
import { hasHostLink, labNamespaces, presentLabs } from './teardown.ts'
import { hostLink, switchNamespace } from './topology.ts'

/** The state of a lab as found on this machine. */
export type LabReport = {
  index: number
  stateDir: string
  /** `up`: complete. `partial`: a part is missing or a process has ended. `damaged`: the state file cannot be read. */
  state: 'up' | 'partial' | 'damaged'
  /** Absent when the state file is damaged. */
  lab?: Lab
  processes: { name: string; pid: number; isAlive: boolean; log: string }[]
  /** The missing and failed parts, one line each. */
  problems: string[]
}

const missingParts = async (deps: LabDeps, lab: Lab): Promise<string[]> => {
  if (lab.kind === 'loopback') return []
  const present = new Set(await labNamespaces(lab.index))
  const wanted = [switchNamespace(lab.index), ...lab.nodes.flatMap((node) => node.namespace ?? [])]
  const missing = wanted.filter((name) => !present.has(name)).map((name) => `namespace ${name} is missing`)
  if (!(await hasHostLink(deps, lab.index))) missing.push(`interface ${hostLink(lab.index)} is missing`)
  return missing
}

const report = async (deps: LabDeps, index: number): Promise<LabReport> => {
  const stateDir = stateDirectory(deps.stateRoot, index)
  const processes = await Promise.all(
    (await recordedProcesses(stateDir)).map(async ({ name, identity, log }) => ({
      name,
      pid: identity.pid,
      isAlive: await isAlive(identity),
      log,
    })),
  )
  const dead = processes
    .filter((process) => !process.isAlive)
    .map(({ name, log }) => `${name} has ended; see ${log}`)
  try {
    const lab = await loadLab(deps.stateRoot, index)
    const problems = [...(await missingParts(deps, lab)), ...dead]
    return { index, stateDir, state: problems.length > 0 ? 'partial' : 'up', lab, processes, problems }
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    return { index, stateDir, state: 'damaged', processes, problems: [...error.problems, ...dead] }
  }
}

/** Reports of all labs on this machine, ordered by number. */
export const labStatus = async (deps: LabDeps): Promise<LabReport[]> => {
  const reports: LabReport[] = []
  for (const index of await presentLabs(deps)) reports.push(await report(deps, index))
  return reports
}
