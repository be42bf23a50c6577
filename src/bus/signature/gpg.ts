import { execFile } from 'node:child_process'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Whether a detached signature is good; null: GnuPG could not say (it is not installed, has no such directory, timed out). */
export type VerifyGpg = (data: Uint8Array, signature: Uint8Array) => Promise<boolean | null>

const TIMEOUT_MS = 10_000
/** Nothing is asked, started or fetched for what a sender sent. */
const QUIET = ['--batch', '--no-tty', '--no-autostart', '--disable-dirmngr', '--no-auto-key-retrieve']
/** gpg/doc/DETAILS: it looked at a signature, or found that there is none. */
const JUDGED = /^\[GNUPG:\] (?:GOODSIG|BADSIG|EXPSIG|EXPKEYSIG|REVKEYSIG|ERRSIG|NODATA) /m

/**
 * Judges as the reference does: with the `gpg` of this machine, whose exit status counts, against the keys in `home`
 * (fedmsg/crypto/gpg.py). A process for each signature: for judging by hand, not for a bus that anyone can reach.
 */
export function gpgVerifier(home: string): VerifyGpg {
  return async (data, signature) => {
    // gpg would make a missing directory's key ring itself, and call every signature bad.
    if (!(await exists(home))) return null
    const folder = await mkdtemp(join(tmpdir(), 'koji-staging-sync-gpg-'))
    try {
      const [signaturePath, dataPath] = [join(folder, 'signature'), join(folder, 'data')]
      await Promise.all([writeFile(signaturePath, signature), writeFile(dataPath, data)])
      const files = ['--verify', signaturePath, dataPath]
      await promisify(execFile)('gpg', ['--homedir', home, ...QUIET, '--status-fd', '1', ...files], {
        timeout: TIMEOUT_MS,
      })
      return true
    } catch (error) {
      const { stdout } = error as { stdout?: string }
      return stdout !== undefined && JUDGED.test(stdout) ? false : null
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
