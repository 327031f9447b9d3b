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

/** Reads and parses a PEM file. Adds a problem and returns undefined if it cannot. */
const parsePemFile = <T>(
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
    problems.push({ place, message: `${file} has no ${what} in PEM format: ${(error as Error).message}` })
    return undefined
  }
}

/** Checks the files here, because gRPC reports a bad file only at the first call and does not name it. */
const checkFiles = ({ ca, cert, key }: TlsFiles, problems: Problem[]): void => {
  const toCertificate = (text: string) => new X509Certificate(text)
  parsePemFile('--tls-ca', ca, 'certificate', toCertificate, problems)
  const certificate = parsePemFile('--tls-cert', cert, 'certificate', toCertificate, problems)
  const privateKey = parsePemFile('--tls-key', key, 'private key', (text) => createPrivateKey(text), problems)
  if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
    problems.push({ place: '--tls-key', message: `${key} is not the key of ${cert}` })
  }
}

/** The credentials of this process: all three TLS files, or none of them. */
export const readSecurity = (options: GlobalOptions, problems: Problem[]): Security => {
  const files = { ca: options.tlsCa, cert: options.tlsCert, key: options.tlsKey }
  const missing = FLAGS.filter(([, name]) => files[name] === undefined)
  // Options that were not given may come from the configuration file.
  if (missing.length === FLAGS.length) return { insecure: options.insecure }
  for (const [place] of missing) {
    problems.push({ place, message: 'is missing: TLS needs all of --tls-ca, --tls-cert and --tls-key' })
  }
  if (options.insecure)
    problems.push({ place: '--insecure', message: 'contradicts --tls-ca, --tls-cert and --tls-key' })
  const tls = { ca: files.ca ?? '', cert: files.cert ?? '', key: files.key ?? '' }
  if (missing.length === 0) checkFiles(tls, problems)
  return { tls }
}
