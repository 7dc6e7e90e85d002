// Reads our items with the package arbundles and writes items with it. JSON on standard input and output.
import { ArweaveSigner, DataItem, EthereumSigner, SolanaSigner, Bundle, createData } from 'arbundles'
import { readFileSync } from 'node:fs'

const { items, specs, keys, bundle } = JSON.parse(readFileSync(0))
const told = item => ({
  id: item.id, kind: item.signatureType, target: item.target, anchor: item.rawAnchor.toString('hex'),
  tags: item.tags.map(({ name, value }) => [name, value]), data: item.rawData.toString('base64'),
})
const read = []
for (const raw of items) {
  const bytes = Buffer.from(raw, 'base64')
  read.push({ valid: await DataItem.verify(bytes), ...told(new DataItem(bytes)) })
}
const signers = { 1: () => new ArweaveSigner(keys.arweave), 2: () => new SolanaSigner(keys.solana), 3: () => new EthereumSigner(keys.ethereum) }
const made = []
for (const { kind, target, anchor, tags, data } of specs) {
  const signer = signers[kind]()
  const options = {
    ...(target && { target }), ...(anchor && { anchor: Buffer.from(anchor, 'hex').toString('latin1') }),
    tags: tags.map(([name, value]) => ({ name, value })),
  }
  const item = createData(Buffer.from(data, 'base64'), signer, options)
  await item.sign(signer)
  made.push({ raw: item.getRaw().toString('base64'), ...told(item) })
}
const opened = bundle && new Bundle(Buffer.from(bundle, 'base64'))
const bundled = opened && { valid: await opened.verify(), items: opened.items.map(told) }
console.log(JSON.stringify({ read, made, bundled }))
