import { type Guard, startGuard } from './guard.ts'
import type { LabDeps } from './lab-deps.ts'
import {
  isOwnedByAnother,
  knownIndexes,
  type Lab,
  prepareOwnership,
  saveLab,
  takeOwnership,
} from './state.ts'
import { labDown } from './teardown.ts'

/** A lab that this process created and owns. It is deleted when this process ends, even by kill -9, until `keep`. */
export type OwnedLab = {
  lab: Lab
  /** Conditions that may distort measurements in the lab, one line each. */
  warnings: readonly string[]
  /** Gives up ownership: the lab continues to exist when this process ends. */
  keep(): Promise<void>
  /** Ends the lab's processes and deletes the lab. */
  down(): Promise<void>
}

/** A lab number that this process owns, and the guard that deletes the lab should this process die. */
export type LabClaim = {
  guard: Guard
  /** False when another process has deleted the lab and created its own with the same number. */
  isOurs(): Promise<boolean>
}

/** Claims lab number `index` for this process. Returns undefined when another process owns it. */
export const claimLab = async (deps: LabDeps, index: number): Promise<LabClaim | undefined> => {
  if ((await knownIndexes(deps.stateRoot)).includes(index)) return undefined
  const ownership = prepareOwnership(deps.stateRoot, index)
  const guard = await startGuard(ownership, deps.downCommand(index))
  if (await takeOwnership(ownership))
    return { guard, isOurs: async () => !(await isOwnedByAnother(ownership)) }
  await guard.release()
  return undefined
}

/** Creates a lab under a claimed number with `build`, which returns warnings. After a failure it deletes what was created. */
export const createOwnedLab = async (
  deps: LabDeps,
  lab: Lab,
  { guard, isOurs }: LabClaim,
  build: () => Promise<readonly string[]>,
): Promise<OwnedLab> => {
  const down = async () => {
    if (await isOurs()) await labDown(deps, lab.index)
    await guard.release()
  }
  let warnings: readonly string[]
  try {
    await saveLab(lab)
    warnings = await build()
  } catch (error) {
    await down()
    throw error
  }
  return { lab, warnings, keep: () => guard.release(), down }
}
