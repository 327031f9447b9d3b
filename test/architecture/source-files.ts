import { execaSync } from 'execa'

/** Every TypeScript file of the repository except the generated ones, relative to its root. */
export const sourceFiles: readonly string[] = execaSync('git', [
  'ls-files',
  '--cached',
  '--others',
  '--exclude-standard',
  '*.ts',
])
  .stdout.split('\n')
  .filter((file) => file !== '' && !file.startsWith('proto/gen/'))

const isTest = (file: string) => /\.test\.ts$|\/(fixtures|testing)\/|^test\//.test(file)

/** The source files without tests and their support code. */
export const productionFiles = sourceFiles.filter((file) => !isTest(file))
