import type { LabDeps } from './deps.ts'
import { type Guard, startGuard } from './guard.ts'
import { isUnclaimedByOthers, knownIndexes, type Lab, newClaim, saveLab, takeClaim } from './state.ts'
import { labDown } from './teardown.ts'

/** A lab that its maker still holds: it goes when the maker goes, even by kill -9, unless it is kept. */
export type HeldLab = {
  lab: Lab
  /** What may spoil what is measured in it, one line each. */
  warnings: readonly string[]
  /** Lets the lab outlive this process. */
  keep(): Promise<void>
  /** Ends the lab's processes and unmakes everything. */
  down(): Promise<void>
}

/** A lab's number that is ours, and watched over. */
export type Holding = {
  guard: Guard
  /** False once someone else has torn the lab down and made one of their own under its number. */
  isOurs(): Promise<boolean>
}

/** Makes the lab's number ours; undefined when it is somebody's. */
export const claimLab = async (deps: LabDeps, index: number): Promise<Holding | undefined> => {
  if ((await knownIndexes(deps.stateRoot)).includes(index)) return undefined
  const claim = newClaim(deps.stateRoot, index)
  const guard = await startGuard(claim, deps.downCommand(index))
  if (await takeClaim(claim)) return { guard, isOurs: () => isUnclaimedByOthers(claim) }
  await guard.release()
  return undefined
}

/** Makes a lab whose number is ours; what fails half-way is cleared away. */
export const holdLab = async (
  deps: LabDeps,
  lab: Lab,
  { guard, isOurs }: Holding,
  make: () => Promise<readonly string[]>,
): Promise<HeldLab> => {
  const down = async () => {
    if (await isOurs()) await labDown(deps, lab.index)
    await guard.release()
  }
  let warnings: readonly string[]
  try {
    await saveLab(lab)
    warnings = await make()
  } catch (error) {
    await down()
    throw error
  }
  return { lab, warnings, keep: () => guard.release(), down }
}
