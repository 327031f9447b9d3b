import type { LabDeps } from './deps.ts'
import { startGuard } from './guard.ts'
import { type Lab, removeState, saveLab } from './state.ts'
import { labDown } from './teardown.ts'

/** A lab that its maker still holds: it goes when the maker goes, even by kill -9, unless it is kept. */
export type HeldLab = {
  lab: Lab
  /** Lets the lab outlive this process. */
  keep(): Promise<void>
  /** Ends the lab's processes and unmakes everything. */
  down(): Promise<void>
}

/** Puts a claimed lab under guard, then makes it; what fails half-way is cleared away. */
export const holdLab = async (deps: LabDeps, lab: Lab, make: () => Promise<void>): Promise<HeldLab> => {
  try {
    const guard = await startGuard(deps.downCommand(lab.index))
    const down = async () => {
      await labDown(deps, lab.index)
      await guard.release()
    }
    try {
      await saveLab(lab)
      await make()
    } catch (error) {
      await down()
      throw error
    }
    return { lab, keep: () => guard.release(), down }
  } catch (error) {
    await removeState(deps.stateRoot, lab.index)
    throw error
  }
}
