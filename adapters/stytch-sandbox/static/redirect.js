location.replace(document.getElementById("onward").href);
