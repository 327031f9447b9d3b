import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Security, TlsFiles } from '../../lib/credentials.ts'
import type { GlobalOptions } from '../client/connection.ts'
import type { Problem } from '../command-errors.ts'

const FLAGS = [
  ['--tls-ca', 'ca'],
  ['--tls-cert', 'cert'],
  ['--tls-key', 'key'],
] as const

const parsed = <T>(
  place: string,
  file: string,
  what: string,
  parse: (text: string) => T,
  problems: Problem[],
): T | undefined => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    problems.push({
      place,
      message: `cannot read ${file}: ${code === 'ENOENT' ? 'there is no such file' : message}`,
    })
    return undefined
  }
  try {
    return parse(text)
  } catch (error) {
    problems.push({ place, message: `${file} holds no ${what} in PEM form: ${(error as Error).message}` })
    return undefined
  }
}

/** gRPC would only say at the first call that the files are no good, and not which one. */
const checkFiles = ({ ca, cert, key }: TlsFiles, problems: Problem[]): void => {
  const toCertificate = (text: string) => new X509Certificate(text)
  parsed('--tls-ca', ca, 'certificate', toCertificate, problems)
  const certificate = parsed('--tls-cert', cert, 'certificate', toCertificate, problems)
  const privateKey = parsed('--tls-key', key, 'private key', (text) => createPrivateKey(text), problems)
  if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
    problems.push({ place: '--tls-key', message: `${key} is not the key of ${cert}` })
  }
}

/** How to trust the other end: all three files, or none of them. */
export const readSecurity = (options: GlobalOptions, problems: Problem[]): Security => {
  const files = { ca: options.tlsCa, cert: options.tlsCert, key: options.tlsKey }
  const missing = FLAGS.filter(([, name]) => files[name] === undefined)
  // What was not typed stays open: a config file may say it.
  if (missing.length === FLAGS.length) return { insecure: options.insecure }
  for (const [place] of missing) {
    problems.push({ place, message: 'is missing: TLS needs --tls-ca, --tls-cert and --tls-key' })
  }
  if (options.insecure)
    problems.push({ place: '--insecure', message: 'contradicts --tls-ca, --tls-cert and --tls-key' })
  const tls = { ca: files.ca ?? '', cert: files.cert ?? '', key: files.key ?? '' }
  if (missing.length === 0) checkFiles(tls, problems)
  return { tls }
}
