"""From folders of files to training batches."""

from instar.data.folders import DataSet as DataSet
from instar.data.folders import find as find
from instar.data.folders import find_one as find_one
from instar.data.open import Data as Data
from instar.data.open import open_data as open_data
from instar.data.refs import ImageRef as ImageRef
