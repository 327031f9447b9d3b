import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { writeAtomically } from './write-atomically.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-whole-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test.each([false, true])(
  'the later of two commands writes the file, which is never incomplete (--force %s)',
  async (force) => {
    const file = join(folder, 'copy.db')
    const first = Promise.withResolvers<void>()
    const second = Promise.withResolvers<void>()
    async function* pieces(text: string, until: Promise<void>) {
      yield Buffer.from(text)
      await until
      yield Buffer.from(text)
    }
    const written = (text: string) =>
      vi.waitFor(() => expect(readFileSync(join(folder, '.copy.db.part'), 'utf8')).toBe(text), 10_000)
    const early = writeAtomically(file, pieces('first', first.promise), { force })
    await written('first')
    const late = writeAtomically(file, pieces('second', second.promise), { force })
    await written('second')
    first.resolve()
    await expect(early).rejects.toThrow(`another command is writing ${file}`)
    expect(readdirSync(folder)).toEqual(['.copy.db.part'])
    second.resolve()
    await late
    expect(readdirSync(folder)).toEqual(['copy.db'])
    expect(readFileSync(file, 'utf8')).toBe('secondsecond')
  },
)
