// Short helpers for the DOM. Text is added as text nodes only, never as markup.

/** `properties` are attributes; null or undefined omits one. */
export function element(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value !== null && value !== undefined) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children);
  return node;
}

export function byTestId(id) {
  return document.querySelector(`[data-testid="${id}"]`);
}
