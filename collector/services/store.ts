import {
  BackupStoreResponse,
  GetStoreInfoResponse,
  type StoreServiceImplementation,
} from '#proto/meshgauge/collector/v1/store.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import type { StoreMaintenance } from '../store/maintenance.ts'

const timeOf = (milliseconds: number | undefined) =>
  milliseconds === undefined ? undefined : toTimestamp(new Date(milliseconds))

export const createStoreService = (
  store: Pick<StoreMaintenance, 'info' | 'backup'>,
): StoreServiceImplementation => ({
  getStoreInfo: async () => {
    const info = store.info()
    return GetStoreInfoResponse.fromPartial({
      ...info,
      levels: info.levels.map((level) => ({
        name: level.name,
        rowCount: level.rows,
        oldestTime: timeOf(level.oldestMs),
        newestTime: timeOf(level.newestMs),
        retention: toDuration(level.retentionSeconds),
      })),
      lastExpireTime: timeOf(info.lastExpireMs),
    })
  },
  // Each part is read from the file when the caller has received the previous one.
  backupStore: async function* (_request, { signal }) {
    const { sizeBytes, pieces } = await store.backup(signal)
    for await (const data of pieces()) yield BackupStoreResponse.fromPartial({ data, sizeBytes })
  },
})
