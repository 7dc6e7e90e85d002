'use strict'
// Shows new messages and the node's load as they arrive; copies the snippet; "/" moves to the search field.
const list = document.querySelector('[data-live] tbody')
const figures = document.querySelector('[data-figures]')
const ROWS_MAX = 200

if (list || figures) {
  const newest = list?.querySelector('tr')?.dataset.sequence ?? 0
  const events = new EventSource(list ? `/explorer/events?after=${newest}` : '/explorer/events')
  if (list) {
    events.addEventListener('messages', event => {
      const rows = document.createElement('tbody')
      rows.innerHTML = event.data // the node rendered and escaped these rows
      for (const row of rows.querySelectorAll('tr')) row.classList.add('new')
      list.prepend(...rows.children)
      while (list.children.length > ROWS_MAX) list.lastElementChild.remove()
    })
  }
  let before
  events.addEventListener('figures', event => {
    const now = { ...JSON.parse(event.data), at: event.timeStamp }
    if (before) now.events_per_s = Math.round((now.events - before.events) * 1000 / (now.at - before.at))
    before = now
    for (const shown of figures?.querySelectorAll('[data-figure]') ?? []) {
      const value = now[shown.dataset.figure]
      if (value !== undefined) shown.textContent = value.toLocaleString('en')
    }
  })
  const status = document.querySelector('[data-status]')
  events.onerror = () => { if (status) status.textContent = 'The node does not respond. Reconnecting …' }
  events.onopen = () => { if (status) status.textContent = 'New messages appear automatically.' }
}

for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent)
    button.textContent = 'Copied'
  })
}

document.addEventListener('keydown', event => {
  if (event.key === '/' && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault()
    document.getElementById('q').focus()
  }
})
