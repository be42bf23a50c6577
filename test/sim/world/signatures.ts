import { findBuild } from './build-row.ts'
import { addChecksums } from './content.ts'
import { md5, signatureHeader } from './rpm-bytes.ts'
import type { Tx } from './transaction.ts'
import type { RpmPlace } from './tree.ts'

interface RpmRow extends RpmPlace {
  id: number
  build_id: number
  epoch: number | null
  payloadhash: string
}

async function rpmRow(tx: Tx, id: number): Promise<RpmRow> {
  const [row] = await tx.rows(
    'SELECT id, build_id, name, version, release, arch, epoch, payloadhash FROM rpminfo WHERE id = $1',
    [id],
  )
  if (!row) throw new Error(`no rpm ${id}`)
  return row as unknown as RpmRow
}

/** addRPMSig, and writeSignedRPM: row, cached header, signed copy, message (not for the empty key). Returns the sighash. */
export async function signRpm(
  tx: Tx,
  rpmId: number,
  sigkey: string,
  options: { checksums?: boolean } = {},
): Promise<string> {
  const rpm = await rpmRow(tx, rpmId)
  const build = await findBuild(tx, rpm.build_id)
  const header = signatureHeader(rpm.payloadhash, `${sigkey} ${Math.random()}`)
  const sighash = md5(header)
  await tx.insert('rpmsigs', { rpm_id: rpmId, sigkey, sighash })
  if (options.checksums) await addChecksums(tx, rpmId, sigkey, header)
  await tx.tree?.putSignature(build, rpm, sigkey, header)
  if (sigkey) {
    tx.announce('rpm.sign', {
      sigkey,
      sighash,
      build: {
        id: build.id,
        build_id: build.id,
        name: build.name,
        version: build.version,
        release: build.release,
        epoch: build.epoch,
        owner_name: build.owner,
        state: build.state,
        task_id: build.taskId,
        volume_name: build.volume,
      },
      rpm: { ...rpm, external_repo_id: 0, external_repo_name: 'INTERNAL' },
    })
  }
  return sighash
}

/** deleteRPMSig: rows go, the header is kept aside; nothing is announced. */
export async function deleteSig(tx: Tx, rpmId: number, sigkey: string): Promise<void> {
  const rpm = await rpmRow(tx, rpmId)
  const [old] = await tx.rows('DELETE FROM rpmsigs WHERE rpm_id = $1 AND sigkey = $2 RETURNING sighash', [
    rpmId,
    sigkey,
  ])
  if (!old) throw new Error(`rpm ${rpmId} has no signature ${sigkey}`)
  if (tx.has('rpm_checksum', 'rpm_id')) {
    await tx.rows('DELETE FROM rpm_checksum WHERE rpm_id = $1 AND sigkey = $2', [rpmId, sigkey])
  }
  await tx.tree?.dropSignature(await findBuild(tx, rpm.build_id), rpm, sigkey, String(old.sighash))
}
