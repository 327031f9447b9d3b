import { expect, test } from 'vitest'
import { OperatingError } from '../../../lib/errors.ts'
import { createLogger } from '../../../lib/logging.ts'
import type { StoredDocument } from '../../store/windows.ts'
import { createOffsets, createPersistedState } from './persisted-state.ts'

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

test('a fleet that comes at once waits for the disk once, and what counts is the last word of each node', () => {
  const disk = createDisk()
  const keeping = createPersistedState({ store: disk, logger })
  const offsets = createOffsets(keeping)
  for (let node = 0; node < 1000; node++) offsets.keep(`n${node}`, { session: 'a', offsetMs: node })
  offsets.keep('n7', { session: 'b', offsetMs: -1 })
  expect(disk.written).toEqual([])
  keeping.flush()
  keeping.flush()
  expect(disk.written.map((documents) => documents.length)).toEqual([1000])
  const later = createOffsets(createPersistedState({ store: disk, logger }))
  expect([later.of('n7'), later.of('n999')]).toEqual([
    { session: 'b', offsetMs: -1 },
    { session: 'a', offsetMs: 999 },
  ])
})

test('what a full disk does not take is kept when it has room again', () => {
  const disk = createDisk()
  const keeping = createPersistedState({ store: disk, logger })
  const offsets = createOffsets(keeping)
  disk.isFull = true
  offsets.keep('a', { session: 's', offsetMs: 5 })
  keeping.flush()
  expect(offsets.of('a')).toEqual({ session: 's', offsetMs: 5 })
  disk.isFull = false
  keeping.flush()
  expect(createOffsets(createPersistedState({ store: disk, logger })).of('a')).toEqual({
    session: 's',
    offsetMs: 5,
  })
})
