// The wallets of the two people, in the form that each version of the client expects its signers.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { EthereumSigner, createData } from 'arbundles'

export const arweaveKey = () => generateKeyPairSync('rsa', { modulusLength: 4096 }).privateKey.export({ format: 'jwk' })

export const ethereumSigner = version => {
  const signer = new EthereumSigner(randomBytes(32).toString('hex'))
  const sign = async ({ data, tags, target, anchor }) => {
    const item = createData(data, signer, { tags, target, anchor })
    await item.sign(signer)
    return { id: item.id, raw: item.getRaw() }
  }
  return version === '0.0.57' ? sign : async create => sign(await create({ passthrough: true }))
}
