import type { GetStoreInfoResponse, StoreLevel } from '#proto/meshgauge/collector/v1/store.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { formatBytes, formatCount, formatDuration } from '../../lib/units.ts'
import { ago } from './figures.ts'
import { type Paint, sanitize } from './paint.ts'
import { renderTable } from './table.ts'

const CONTENT: Record<string, string> = {
  runs: 'runs with their results',
  raw: 'ping mesh windows as the agents sent them',
  '5m': 'ping mesh windows merged to 5 minutes',
  '1h': 'ping mesh windows merged to 1 hour',
  events: 'changes of state in the ping mesh',
}

const rowOf = (level: StoreLevel, now: Date): string[] => {
  const retention = fromDuration(level.retention)
  const timeOf = (time: StoreLevel['oldestTime']) => (time ? ago(fromTimestamp(time), now) : '-')
  return [
    sanitize(level.name),
    formatCount(level.rowCount),
    timeOf(level.oldestTime),
    timeOf(level.newestTime),
    retention === undefined ? 'unlimited' : formatDuration(retention),
    CONTENT[level.name] ?? '',
  ]
}

export const renderStoreInfo = (info: GetStoreInfoResponse, now: Date, paint: Paint): string => {
  const bound = info.maxBytes > 0 ? ` of at most ${formatBytes(info.maxBytes)}` : ''
  const expired = info.lastExpireTime
    ? `Expired content was last removed ${ago(fromTimestamp(info.lastExpireTime), now)}.`
    : 'No content has expired yet.'
  return [
    `${sanitize(info.path)}: ${formatBytes(info.sizeBytes)}${bound}, ${formatBytes(info.freeBytes)} of it free (schema version ${info.schemaVersion})`,
    expired,
    '',
    renderTable(
      ['LEVEL', 'ROWS', 'OLDEST', 'NEWEST', 'RETENTION', 'CONTENT'],
      info.levels.map((level) => rowOf(level, now)),
      paint,
    ),
  ].join('\n')
}

/** `store info --json` */
export const storeInfoDocument = (info: GetStoreInfoResponse) => ({
  path: info.path,
  schemaVersion: info.schemaVersion,
  sizeBytes: info.sizeBytes,
  freeBytes: info.freeBytes,
  maxBytes: info.maxBytes,
  lastExpireTime: fromTimestamp(info.lastExpireTime)?.toISOString(),
  levels: info.levels.map((level) => ({
    name: level.name,
    rowCount: level.rowCount,
    oldestTime: fromTimestamp(level.oldestTime)?.toISOString(),
    newestTime: fromTimestamp(level.newestTime)?.toISOString(),
    retentionSeconds: fromDuration(level.retention),
  })),
})
