import { expect, test } from 'vitest'
import { OperatingError } from '../../../lib/errors.ts'
import { createLogger } from '../../../lib/logging.ts'
import type { StoredDocument } from '../../store/documents.ts'
import { createPersistedOffsets, createPersistedState } from './persisted-state.ts'

const logger = createLogger('test', 'silent')

const createDisk = () => {
  const written: StoredDocument[][] = []
  const disk = {
    isFull: false,
    written,
    documents: (kind: string) =>
      new Map(
        written
          .flat()
          .flatMap(({ name, body, ...one }) => (one.kind === kind ? [[name, body] as const] : [])),
      ),
    putDocuments: (documents: readonly StoredDocument[]) => {
      if (disk.isFull) throw new OperatingError('STORE_UNAVAILABLE', 'the disk is full')
      written.push([...documents])
    },
  }
  return disk
}

test('many values are written in one transaction, with the last value of each node', () => {
  const disk = createDisk()
  const persisted = createPersistedState({ store: disk, logger })
  const offsets = createPersistedOffsets(persisted)
  for (let node = 0; node < 1000; node++) offsets.set(`n${node}`, { session: 'a', offsetMs: node })
  offsets.set('n7', { session: 'b', offsetMs: -1 })
  expect(disk.written).toEqual([])
  persisted.flush()
  persisted.flush()
  expect(disk.written.map((documents) => documents.length)).toEqual([1000])
  const restored = createPersistedOffsets(createPersistedState({ store: disk, logger }))
  expect([restored.get('n7'), restored.get('n999')]).toEqual([
    { session: 'b', offsetMs: -1 },
    { session: 'a', offsetMs: 999 },
  ])
})

test('values that a full disk refuses are written when it has space again', () => {
  const disk = createDisk()
  const persisted = createPersistedState({ store: disk, logger })
  const offsets = createPersistedOffsets(persisted)
  disk.isFull = true
  offsets.set('a', { session: 's', offsetMs: 5 })
  persisted.flush()
  expect(offsets.get('a')).toEqual({ session: 's', offsetMs: 5 })
  disk.isFull = false
  persisted.flush()
  expect(createPersistedOffsets(createPersistedState({ store: disk, logger })).get('a')).toEqual({
    session: 's',
    offsetMs: 5,
  })
})
