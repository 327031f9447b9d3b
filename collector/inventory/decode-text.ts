import { ConfigError } from '../../lib/config.ts'

const wrong = (file: string, message: string): ConfigError =>
  new ConfigError(file, [{ line: 1, column: 1, path: '', message }])

/** Whether the bytes are UTF-16: they begin with its byte order mark, or have zeros, which no text in UTF-8 has. */
const isUtf16 = (bytes: Uint8Array): boolean => {
  const mark = (bytes[0]! << 8) | bytes[1]!
  return mark === 0xfffe || mark === 0xfeff || bytes.includes(0)
}

/**
 * Returns the text of a file in UTF-8, without its byte order mark.
 * @throws ConfigError when the file has another encoding
 */
export const decodeText = (file: string, bytes: Uint8Array): string => {
  if (isUtf16(bytes)) throw wrong(file, 'is not text in UTF-8 but in UTF-16; save it as UTF-8')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw wrong(file, 'is not text in UTF-8')
  }
}
