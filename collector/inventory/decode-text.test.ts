import { expect, test } from 'vitest'
import { decodeText } from './decode-text.ts'

test('a byte order mark of UTF-8 is removed', () => {
  expect(decodeText('hosts.txt', Buffer.from('\ufeffgpu-01\n'))).toBe('gpu-01\n')
})

test.each([
  ['UTF-16 little-endian', Buffer.from('\ufeffgpu-01\n', 'utf16le')],
  ['UTF-16 big-endian', Buffer.from('\ufeffgpu-01\n', 'utf16le').swap16()],
  ['UTF-16 without a mark', Buffer.from('gpu-01\n', 'utf16le')],
])('%s is refused', (_, bytes) => {
  expect(() => decodeText('hosts.txt', bytes)).toThrow(/hosts.txt:1:1 .* in UTF-16; save it as UTF-8/)
})

test('other encodings are refused', () => {
  expect(() => decodeText('hosts.txt', Buffer.from('knoten-\u00e4', 'latin1'))).toThrow(
    'is not text in UTF-8',
  )
})
