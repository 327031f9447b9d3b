import type { StoreLimits } from '../limits.ts'
import type { StoreMaintenance } from '../maintenance.ts'
import { createBackup } from './backup.ts'
import type { Connection } from './connection.ts'
import { createExpiry } from './expiry.ts'
import type { RollUp } from './mesh/roll-up.ts'
import { FIVE_MINUTES, ONE_HOUR } from './mesh/roll-up-levels.ts'
import type { WindowTables } from './mesh/window-tables.ts'
import { createRunExpiry } from './run-expiry.ts'
import { createSizeLimiter } from './size-limiter.ts'
import { createStoreInfo } from './store-info.ts'

type Deps = {
  connection: Connection
  tables: WindowTables
  rollUp: RollUp
  /** Examines one damaged row. Returns whether there was any. */
  repair: () => boolean
  limits: StoreLimits
}

const never = () => false

export const createMaintenance = ({ connection, tables, rollUp, repair, limits }: Deps): StoreMaintenance => {
  const { guarded } = connection
  const sizeLimiter = createSizeLimiter(connection, limits)
  const runs = createRunExpiry(connection)
  let members: ReadonlySet<string> | undefined
  const expiry = createExpiry({
    connection,
    tables,
    rollUp,
    sizeLimiter,
    runs,
    limits,
    members: () => members,
  })
  const info = createStoreInfo({ connection, tables, sizeLimiter, runs, limits })

  const rollUpPiece = (nowMs: number, isOverdue: () => boolean): boolean =>
    repair() ||
    rollUp.sort(nowMs, isOverdue) ||
    rollUp.rollUp(FIVE_MINUTES, nowMs, isOverdue) ||
    rollUp.rollUp(ONE_HOUR, nowMs, isOverdue)

  const maintain = (nowMs: number, isOverdue: () => boolean): boolean => {
    let failure: unknown
    try {
      if (rollUpPiece(nowMs, isOverdue)) return true
    } catch (error) {
      failure = error
    }
    if (failure === undefined) return expiry.expire(nowMs, isOverdue) || sizeLimiter.releaseFreePages()
    // On a full disk roll-ups fail. Removing expired content makes space for them.
    sizeLimiter.releaseReservedSpace()
    if (expiry.expire(nowMs, isOverdue)) return true
    throw failure
  }

  return {
    maintain: (now, isOverdue = never) => guarded(() => maintain(now.getTime(), isOverdue)),
    setMembers: (nodes) => {
      members = nodes
    },
    info: () => guarded(info),
    backup: createBackup(connection),
  }
}
