// Two people use every action through AO's own client. Usage: node people.mjs URL VERSION
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { arweaveKey, ethereumSigner } from './wallets.mjs'

const [url, version] = process.argv.slice(2)
const { connect, createDataItemSigner } = await import(version === '0.0.57' ? 'aoconnect-0.0.57' : '@permaweb/aoconnect')
const ao = connect({ MODE: 'legacy', MU_URL: url, CU_URL: url, GATEWAY_URL: url, GRAPHQL_URL: `${url}/graphql` })
const { registry, node } = await (await fetch(`${url}/info`)).json()
const { subtle } = webcrypto

let steps = 0
const tagged = (action, others = {}) => Object.entries({ Action: action, ...others }).map(([name, value]) => ({ name, value }))
const text = body => (typeof body === 'string' ? body : JSON.stringify(body))
const reply = result => JSON.parse(result.Messages[0].Data)

const send = async (signer, target, action, body = '', others) => {
  steps += 1
  const anchor = String(steps).padStart(32, '0') // so that two equal messages differ, also with deterministic signatures
  const message = await ao.message({ process: target, signer, tags: tagged(action, others), data: text(body), anchor })
  return { message, result: await ao.result({ process: target, message }) }
}
const done = async (...order) => {
  const { result } = await send(...order)
  assert.equal(result.Error, undefined)
  const answer = reply(result)
  assert.equal(answer.status, 'success')
  return answer
}
const refused = async (reason, ...order) => {
  const { result } = await send(...order)
  assert.match(result.Error, reason)
  assert.match(reply(result).message, reason)
}
const ask = async (target, action, body = '') => {
  steps += 1
  return reply(await ao.dryrun({ process: target, tags: tagged(action), data: text(body) }))
}
const relayed = (target, action, body = {}) => ({ Target: target, Data: text(body), Tags: { Action: action } })
const told = async (target, action, body, expected) => { // the effect of a relayed message appears at its target after a while
  for (let tries = 0; tries < 100; tries += 1) {
    const found = await ask(target, action, body)
    if (expected(found)) return found
  }
  throw new Error(`${action} of ${target} never became what it has to be`)
}

// wallets: one of Arweave, the others of Ethereum
const alice = createDataItemSigner(arweaveKey())
const bob = ethereumSigner(version)
const eve = ethereumSigner(version)

// registry: handles
assert.equal((await ask(registry, 'QueryHandle', { handle: 'alice' })).registered, false)
const a = (await done(alice, registry, 'Register', { handle: 'alice', pubkey: 'pk-a' })).pid
const b = (await done(bob, registry, 'Register', { handle: 'bob', pubkey: 'pk-b' })).pid
await refused(/taken|registered/, eve, registry, 'Register', { handle: 'alice', pubkey: 'pk-e' })
await refused(/1 to 64 characters/, eve, registry, 'Register', { handle: ' ' })
await refused(/JSON|object/, eve, registry, 'Register', 'nonsense')
await refused(/knows no action/, eve, registry, 'Nonsense')
const found = await ask(registry, 'QueryHandle', { handle: 'alice' })
assert.deepEqual([found.registered, found.pid, found.handle], [true, a, 'alice'])
const owners = { alice: found.owner, bob: (await ask(registry, 'QueryHandle', { handle: 'bob' })).owner }
assert.match(owners.alice, /^[\w-]{43}$/)
assert.match(owners.bob, /^0x[0-9a-fA-F]{40}$/)
assert.deepEqual(await ask(registry, 'GetHandles', { owner: owners.bob.toLowerCase() }), [{ handle: 'bob', pid: b }])
assert.deepEqual(await ask(registry, 'GetHandles', { owner: owners.alice }), [{ handle: 'alice', pid: a }])
assert.deepEqual(await ask(registry, 'GetHandles', { owner: 'nobody' }), [])

// registry: names that move
await done(alice, registry, 'Register', { name: 'second', pid: a })
await done(alice, registry, 'Register', { name: 'second', pid: b })
assert.equal((await ask(registry, 'QueryDomain', { name: 'second' })).pid, b)
assert.equal((await ask(registry, 'GetDomains', { owner: owners.alice })).length, 1)
await refused(/own/, bob, registry, 'Renounce', { name: 'second' })
await done(alice, registry, 'Renounce', { name: 'second' })
assert.equal((await ask(registry, 'QueryDomain', { name: 'second' })).registered, false)

// handle: profile and environment
assert.deepEqual(await ask(a, 'GetProfile'), { pubkey: 'pk-a' })
await done(alice, a, 'ProfileUpdate', { name: 'Alice', img: 'i', banner: 'b', bio: 'likes "quotes"\n', pubkey: 'pk-a2', motto: 'x' })
await refused(/owner/, bob, a, 'ProfileUpdate', { name: 'Mallory' })
await refused(/text/, alice, a, 'ProfileUpdate', { name: 7 })
assert.deepEqual(await ask(a, 'GetProfile'), { name: 'Alice', img: 'i', banner: 'b', bio: 'likes "quotes"\n', pubkey: 'pk-a2', motto: 'x' })
await done(bob, b, 'SetEnv', { theme: 'dark', size: 3 })
await refused(/owner/, eve, b, 'SetEnv', { theme: 'light' })
assert.deepEqual(await ask(b, 'GetEnv'), { theme: 'dark', size: 3 })

// session
assert.match((await ask(registry, 'QuerySession', { handleA: 'alice', handleB: 'bob' })).message, /No session/)
await refused(/owner/, eve, registry, 'EstablishSession', { handleA: 'alice', handleB: 'bob' })
await refused(/itself|two/, alice, registry, 'EstablishSession', { handleA: 'alice', handleB: 'alice' })
const { sessionID } = await done(alice, registry, 'EstablishSession', { handleA: 'alice', handleB: 'bob' })
assert.equal((await done(bob, registry, 'EstablishSession', { handleA: 'bob', handleB: 'alice' })).sessionID, sessionID)
await done(alice, a, 'RelayMessage', relayed(registry, 'EstablishSession', { otherHandle: 'bob' }))
assert.equal((await ask(registry, 'QuerySession', { handleA: 'bob', handleB: 'alice' })).sessionID, sessionID)
await refused(/registry/, eve, b, 'UpdateChatList', { sessionID: 'x', otherHandleName: 'x', otherHandleID: 'x' })
const [chat] = await told(b, 'GetChatList', '', rows => rows.length === 1)
assert.deepEqual([chat.sessionID, chat.otherHandleName, chat.otherHandleID], [sessionID, 'alice', a])

// keys, sealed as the original web client seals them
const rsa = { name: 'RSA-OAEP', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }
const [keysA, keysB] = await Promise.all([1, 2].map(() => subtle.generateKey(rsa, true, ['encrypt', 'decrypt'])))
const base64 = bytes => Buffer.from(bytes).toString('base64')
const seal = async (raw, pair) => base64(await subtle.encrypt('RSA-OAEP', pair.publicKey, raw))
const spki = async pair => base64(await subtle.exportKey('spki', pair.publicKey))
const batch = async secret => ({
  encrypted_sk_by_a: await seal(secret, keysA), pubkey_a: await spki(keysA),
  encrypted_sk_by_b: await seal(secret, keysB), pubkey_b: await spki(keysB),
})
const encrypt = async (secret, words) => {
  const key = await subtle.importKey('raw', secret, 'AES-GCM', false, ['encrypt'])
  const iv = webcrypto.getRandomValues(new Uint8Array(12))
  return base64(Buffer.concat([iv, Buffer.from(await subtle.encrypt({ name: 'AES-GCM', iv }, key, Buffer.from(words)))]))
}
const decrypt = async (sealed, pair, content) => {
  const secret = await subtle.decrypt('RSA-OAEP', pair.privateKey, Buffer.from(sealed, 'base64'))
  const key = await subtle.importKey('raw', secret, 'AES-GCM', false, ['decrypt'])
  const raw = Buffer.from(content, 'base64')
  return Buffer.from(await subtle.decrypt({ name: 'AES-GCM', iv: raw.subarray(0, 12) }, key, raw.subarray(12))).toString()
}
assert.deepEqual(await ask(sessionID, 'GetCurrentKeys'), [])
await done(alice, a, 'RelayMessage', relayed(sessionID, 'SendMessage', { content: 'too early' }))
const [refusal] = await told(a, 'GetChatList', '', rows => rows[0].refusal)
assert.match(refusal.refusal.message, /key/)
const secrets = [1, 2].map(() => webcrypto.getRandomValues(new Uint8Array(32)))
const batches = await Promise.all(secrets.map(batch))
await refused(/two handles/, alice, sessionID, 'RotateSessionKey', batches[0])
await done(alice, a, 'RelayMessage', relayed(sessionID, 'RotateSessionKey', batches[0]))
await told(sessionID, 'GetCurrentKeys', '', rows => rows[0]?.generation === 1)

// messages, and a rotation between them
await refused(/owner/, eve, a, 'RelayMessage', relayed(sessionID, 'SendMessage', { content: 'forged' }))
await refused(/two handles/, eve, sessionID, 'SendMessage', { content: 'forged' })
await done(alice, a, 'RelayMessage', relayed(sessionID, 'SendMessage', { content: await encrypt(secrets[0], 'hello, bob'), generation: 1 }))
await done(bob, b, 'RelayMessage', relayed(sessionID, 'RotateSessionKey', batches[1]))
await told(sessionID, 'GetCurrentKey', '', rows => rows[0].generation === 2)
await done(bob, b, 'RelayMessage', relayed(sessionID, 'SendMessage', { content: await encrypt(secrets[1], 'hello, alice'), generation: 2 }))
const until = Math.floor(Date.now() / 1000) + 5
const rows = await told(sessionID, 'QueryMessage', { from: 0, until, limit: 100, order: 'DESC' }, it => it.length === 2)
assert.deepEqual(rows.map(row => [row.id, row.generation, row.sender]), [[2, 2, b], [1, 1, a]])
const words = async (row, side, pair) => {
  const [keys] = await ask(sessionID, 'GetKeyByGeneration', { generation: row.generation })
  return decrypt(keys[`encrypted_sk_by_${side}`], pair, row.content)
}
assert.equal(await words(rows[1], 'b', keysB), 'hello, bob')
assert.equal(await words(rows[0], 'a', keysA), 'hello, alice')
assert.deepEqual(await ask(sessionID, 'GetKeyByGeneration', { generation: 9 }), [])
assert.equal((await ask(sessionID, 'QueryMessage', { order: 'ASC', limit: 1 }))[0].id, 1)
assert.match((await ask(sessionID, 'QueryMessage', { limit: -1 })).message, /limit/)

// unread
await refused(/session/, eve, b, 'Notify', {})
await told(b, 'GetUnread', '', counts => counts.total === 1)
await refused(/owner/, eve, b, 'MarkAsViewed', { sessionID })
await done(bob, b, 'MarkAsViewed', { sessionID })
assert.equal((await ask(b, 'GetUnread')).total, 0)

// delegates: a browser's own key speaks for the wallet
const delegate = ethereumSigner(version)
const probe = await send(delegate, registry, 'Register', { handle: 'delegate', pubkey: 'x' })
assert.equal(probe.result.Error, undefined)
const address = (await ask(registry, 'QueryHandle', { handle: 'delegate' })).owner
await refused(/owner/, delegate, b, 'RelayMessage', relayed(sessionID, 'SendMessage', { content: 'x' }))
await done(bob, b, 'AddDelegate', { address, expires: until + 3600 })
assert.deepEqual((await ask(b, 'GetDelegates')).map(row => row.address), [address])
await done(delegate, b, 'RelayMessage', relayed(sessionID, 'SendMessage', { content: await encrypt(secrets[1], 'from my browser') }))
await refused(/owner/, delegate, b, 'ProfileUpdate', { name: 'x' })
await done(bob, b, 'RemoveDelegate', { address })
await refused(/owner/, delegate, b, 'MarkAsViewed', { sessionID })
await refused(/no delegate/, bob, b, 'RemoveDelegate', { address })
const [newest] = await told(sessionID, 'QueryMessage', { limit: 100 }, it => it.length === 3)
assert.equal(await words(newest, 'a', keysA), 'from my browser')

// contacts
await done(alice, a, 'AddContact', { handle: 'bob', note: 'met at work' })
assert.deepEqual(await ask(a, 'GetContacts'), [{ handle: 'bob', note: 'met at work' }])
await refused(/owner/, bob, a, 'AddContact', { handle: 'bob' })
await done(alice, a, 'RemoveContact', { handle: 'bob' })
await refused(/contacts/, alice, a, 'RemoveContact', { handle: 'bob' })
assert.deepEqual(await ask(a, 'GetContacts'), [])

// what the client has beside messages: results, spawn, assign, monitor
const page = await ao.results({ process: sessionID, sort: 'DESC', limit: 2 })
assert.equal(page.edges.length, 2)
const next = await ao.results({ process: sessionID, sort: 'DESC', limit: 2, from: page.edges[1].cursor })
assert.notDeepEqual(next.edges[0], page.edges[1])
const spawned = await ao.spawn({ module: 'mostao.session@3', scheduler: node, signer: alice, tags: [], data: JSON.stringify({ a, b }) })
assert.deepEqual(await ask(spawned, 'GetCurrentKeys'), [])
await assert.rejects(ao.spawn({ module: 'mostao.nothing@1', scheduler: node, signer: alice, tags: [] }))
if (ao.assign) assert.equal(await ao.assign({ process: registry, message: probe.message }), probe.message)
if (ao.assign) await assert.rejects(ao.assign({ process: b, message: probe.message }))
await ao.monitor({ process: sessionID, signer: alice })
if (ao.unmonitor) await ao.unmonitor({ process: sessionID, signer: alice })
await assert.rejects(ao.message({ process: 'x'.repeat(42) + 'A', signer: alice, tags: tagged('GetProfile') }), /no process/)

console.log(JSON.stringify({ version, steps, registry, alice: a, bob: b, session: sessionID }))
